"""The client's own small files: JSON that only its person can read, replaced in one step."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any


def folder() -> Path:
    """Return the folder of the client's own files."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "weir"


def save(path: Path, entries: dict[str, Any]) -> None:
    """Replace the file. It is readable by its owner alone from the moment that it exists."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump(entries, file, indent=1)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
