"""From the words of a command line to what is printed, and the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from weir.command.parser import parser
from weir.command.printed import Printed, UsageError
from weir.errors import BudgetExceeded, RunFailed, Unreachable, WeirError

REFUSED, USAGE, UNREACHABLE, RUN_FAILED, BUDGET = 1, 2, 3, 4, 5
INTERRUPTED = 130
"""What a shell reports for Ctrl-C."""
CODES: dict[type[WeirError], int] = {
    UsageError: USAGE, Unreachable: UNREACHABLE, RunFailed: RUN_FAILED, BudgetExceeded: BUDGET,
}  # fmt: skip


def main(words: Sequence[str] | None = None) -> int:
    """Do what the words of a command line say, and return the exit code.

    0: done. 1: refused. 2: the words are wrong. 3: the portal cannot be reached. 4: a run failed. 5: the budget is used
    up.
    """
    options = parser().parse_args(words)
    options.quiet = options.quiet or options.json
    try:
        printed: Printed = options.verb(options)
    except WeirError as refused:
        _print_error(refused, as_json=options.json)
        return next((code for kind, code in CODES.items() if isinstance(refused, kind)), REFUSED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return REFUSED
    _print(json.dumps(printed.data, indent=1, ensure_ascii=False) if options.json else printed.text)
    return REFUSED if printed.failed else 0


def _print(text: str) -> None:
    if text:
        sys.stdout.write(f"{text}\n")


def _print_error(refused: WeirError, *, as_json: bool) -> None:
    if not as_json:
        sys.stderr.write(f"weir: {refused}\n")
        return
    named = ("error_class", "line", "costs", "left")
    more = {name: value for name in named if (value := getattr(refused, name, None)) not in {None, ""}}
    found: dict[str, Any] = {
        "error": type(refused).__name__, "code": refused.code, "detail": str(refused), "status": refused.status,
        "fields": dict(refused.fields), "request_id": refused.request_id, **more,
    }  # fmt: skip
    sys.stderr.write(
        json.dumps({name: value for name, value in found.items() if value}, ensure_ascii=False) + "\n"
    )
