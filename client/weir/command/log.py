"""The signed log: whom to trust, whether it only grows, and whether receipts hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from weir import pins as pinned
from weir.checks import Check, all_hold, fails
from weir.command.printed import Printed
from weir.errors import WeirError
from weir.pins import Pins
from weir.publiclog import PublicLog, address_of
from weir.receipts import MOST_BYTES, Receipt, compared, verify
from weir.strict import Malformed, printable, shown

MARKS = {True: "✓", False: "✗", None: "·"}
SIGN = b'"weir-receipt/'
"""What every receipt has, and hardly any other file."""


def pin(options: Any) -> Printed:
    """Write a file of pins with a log's key, which is trusted from then on."""
    to = Path(options.output)
    if to.exists():
        raise WeirError(f"{_named(to)} is already there. To trust another key from now on, delete it first.")
    with PublicLog(options.url) as log:
        found, checks = log.pins()
    if all_hold(checks):
        try:
            found.save_new(to)
        except OSError as failed:
            raise WeirError(f"{_named(to)} cannot be written: {failed.strerror}.") from failed
    fingerprint = found.log.fingerprint
    said = [
        f"Log: {shown(found.log.name)}",
        f"Fingerprint of its key: {fingerprint}",
        *map(_line, checks),
        f"Pinned in {_named(to)}. Compare the fingerprint with the page /log/ as others see it: whoever can change "
        "what you are sent can send you another key."
        if all_hold(checks)
        else "Nothing is pinned.",
    ]
    data = {
        "log": found.log.text,
        "fingerprint": fingerprint,
        "holds": all_hold(checks),
        "checks": _data(checks),
    }
    return Printed(data, "\n".join(said), failed=not all_hold(checks))


def check(options: Any) -> Printed:
    """Ask the log whether it still begins with what was seen of it, and note its newest checkpoint."""
    path, found = Path(options.pins), _pins(options.pins)
    receipts = [_receipt(each) for each in options.files]
    with PublicLog(options.portal or address_of(found)) as log:
        newest, checks = log.checked(found, receipts)
    if all_hold(checks) and newest != found:
        try:
            newest.save_over(path)
        except OSError as failed:
            raise WeirError(f"{_named(path)} cannot be written: {failed.strerror}.") from failed
    seen = newest.seen.size if newest.seen else 0
    verdict = (
        f"The log holds. Seen up to {seen:,} leaves."
        if all_hold(checks)
        else f"THE LOG DOES NOT HOLD. {_named(path)} stays as it is."
    )
    data = {"holds": all_hold(checks), "size": seen, "checks": _data(checks)}
    return Printed(data, "\n".join([*map(_line, checks), verdict]), failed=not all_hold(checks))


def verify_files(options: Any) -> Printed:
    """Verify receipts without the portal, and files against what they record."""
    found = _pins(options.pins)
    named = [(path, _is_receipt(path)) for path in map(Path, options.files)]
    judged = [(path, *_judged(path, found)) for path, is_receipt in named if is_receipt]
    holding = [receipt for _, receipt, checks in judged if receipt is not None and all_hold(checks)]
    files = (
        _compared(holding, [path for path, is_receipt in named if not is_receipt])
        if judged
        else [fails("None of these files is a receipt.")]
    )
    bad = sum(each.ok is False for each in [*files, *(one for _, _, checks in judged for one in checks)])
    blocks = [[f"{_named(path)}:", *map(_line, checks)] for path, _, checks in judged]
    blocks += [["Files:", *map(_line, files)]] if files else []
    verdict = (
        "All checks hold."
        if not bad
        else f"DOES NOT HOLD: {bad} {'checks fail' if bad > 1 else 'check fails'}."
    )
    data = {
        "holds": not bad,
        "receipts": [
            {"file": str(path), "holds": all_hold(checks), "checks": _data(checks), **_content(receipt)}
            for path, receipt, checks in judged
        ],
        "files": _data(files),
    }
    lines = [line for block in blocks for line in block]
    return Printed(data, "\n".join([*lines, verdict]), failed=bool(bad))


def _judged(path: Path, found: Pins) -> tuple[Receipt | None, list[Check]]:
    try:
        receipt = _receipt(path)
    except Malformed as bad:
        return None, [fails(str(bad))]
    return receipt, verify(receipt, found)


def _content(receipt: Receipt | None) -> dict[str, Any]:
    """Return what a receipt says, for programs."""
    if receipt is None:
        return {}
    entries = [{"index": each.index, "payload": each.payload} for each in receipt.entries]
    return {"kind": receipt.kind, "entries": entries, "document": receipt.document}


def _compared(receipts: Sequence[Receipt], paths: Sequence[Path]) -> list[Check]:
    try:
        return list(compared(receipts, paths))
    except OSError as failed:
        raise _unreadable(failed) from failed


def _is_receipt(path: Path) -> bool:
    """Return whether a file means to be a receipt, also a damaged one."""
    try:
        with path.open("rb") as file:
            begin = file.read(MOST_BYTES)
    except OSError as failed:
        raise _unreadable(failed) from failed
    return begin.lstrip()[:1] == b"{" and SIGN in begin


def _receipt(path: Path | str) -> Receipt:
    try:
        return Receipt.read(path)
    except OSError as failed:
        raise _unreadable(failed) from failed


def _pins(path: str) -> Pins:
    try:
        return pinned.read(Path(path))
    except OSError as failed:
        raise _unreadable(failed) from failed


def _unreadable(failed: OSError) -> WeirError:
    return WeirError(f"{_named(failed.filename)} cannot be read: {failed.strerror}.")


def _named(path: object) -> str:
    """Return the whole path without what moves a terminal's cursor: files may come from others, names and all."""
    return printable(str(path))


def _line(each: Check) -> str:
    return f"{MARKS[each.ok]} {each.sentence}"


def _data(checks: Sequence[Check]) -> list[dict[str, Any]]:
    return [asdict(each) for each in checks]
