"""`python -m weir.command` is the command too."""

from __future__ import annotations

from weir.command.shell import main

raise SystemExit(main())
