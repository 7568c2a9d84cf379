"""The entry point inside the sandbox: does one piece of work on one owner's file and writes an answer.

$WEIR_DATA/file is the file, $WEIR_PARAMETERS (JSON) names the work, /room (if there is one) takes large results, and
the answer (JSON) is written to $WEIR_OUT/answer. Meanwhile it prints its progress, a share from 0 to 1 per line.
"""

import csv
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

LONGEST_CELL = 4 * 1024 * 1024

Work = Callable[[dict[str, Any], Callable[[float], None]], dict[str, Any]]


class Meter(threading.Thread):
    """Prints the progress of the work once a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.share = 0.0
        self.done = threading.Event()

    def __call__(self, share: float) -> None:
        self.share = min(max(share, 0.0), 1.0)

    def run(self) -> None:
        while not self.done.wait(1.0):
            sys.stdout.write(f"{self.share:.3f}\n")
            sys.stdout.flush()

    def stop(self) -> None:
        self.done.set()
        self.join()


def the_file() -> Path:
    return Path(os.environ["WEIR_DATA"], "file")


def room() -> Path:
    return Path(os.environ.get("WEIR_ROOM", "/room"))


def read(given: dict[str, Any], meter: Callable[[float], None]) -> dict[str, Any]:
    """Read an upload into a table."""
    from datasets.reading import files, outcome  # noqa: PLC0415 -- each work loads only what it needs

    return _explained(
        lambda: {"read": outcome.to_json(files.read(the_file(), room() / "table", given, room(), meter))}
    )


def preview(given: dict[str, Any], _meter: Callable[[float], None]) -> dict[str, Any]:
    """Look at the beginning of an upload."""
    from datasets.reading import files  # noqa: PLC0415

    return _explained(lambda: {"preview": files.preview(the_file(), given, room())})


def _explained(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    from datasets.reading import outcome  # noqa: PLC0415

    try:
        return work()
    except outcome.Unreadable as why:
        return {"unreadable": str(why), "remedy": why.remedy, "final": why.final}
    except MemoryError:
        reason = "Reading this file needs more memory than the portal allows. Split it."
        return {"unreadable": reason, "remedy": {}, "final": True}


def rows(given: dict[str, Any], _meter: Callable[[float], None]) -> dict[str, Any]:
    """Return a page of rows of a table."""
    from datasets.reading import inspection  # noqa: PLC0415

    return {"rows": inspection.rows(the_file(), first=given["first"], most=given["most"])}


def fit(given: dict[str, Any], _meter: Callable[[float], None]) -> dict[str, Any]:
    """Count the cells of a table that meet each condition."""
    from datasets.reading import inspection  # noqa: PLC0415

    return {"counts": inspection.counts(the_file(), given["tests"], given["values"])}


def each(given: dict[str, Any], _meter: Callable[[float], None]) -> dict[str, Any]:
    """Count the people who have more rows than declared."""
    from datasets.reading import inspection  # noqa: PLC0415

    return inspection.people(the_file(), given["subject"], most=given["most"], same=given["same"])


def vary(given: dict[str, Any], _meter: Callable[[float], None]) -> dict[str, Any]:
    """Count the people with several values in columns that are declared constant."""
    from datasets.reading import inspection  # noqa: PLC0415

    return {"counts": inspection.varying(the_file(), given["subject"], given["columns"])}


def order(given: dict[str, Any], meter: Callable[[float], None]) -> dict[str, Any]:
    """Write a table as columns in subject order."""
    from datasets import columns  # noqa: PLC0415
    from datasets.reading import subject_order  # noqa: PLC0415

    plans = [columns.plan_from(each) for each in given["plans"]]
    subject_order.write(
        the_file(), given["subject"], plans, bytes.fromhex(given["key"]), room(), progress=meter
    )
    return {}


def people(given: dict[str, Any], _meter: Callable[[float], None]) -> dict[str, Any]:
    """Return the digests of some of the people in a table."""
    from datasets.reading import subject_order  # noqa: PLC0415

    found = subject_order.some_digests(
        the_file(), given["subject"], bytes.fromhex(given["key"]), given["most"]
    )
    return {"digests": [each.hex() for each in found]}


WORKS: dict[str, Work] = {
    "read": read,
    "preview": preview,
    "rows": rows,
    "fit": fit,
    "each": each,
    "vary": vary,
    "order": order,
    "people": people,
}


def main() -> None:
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # it returns unused memory
    threading.stack_size(1024 * 1024)
    csv.field_size_limit(
        LONGEST_CELL
    )  # of the whole process, so it is not set where the portal imports the parser
    given = json.loads(os.environ["WEIR_PARAMETERS"])
    meter = Meter()
    meter.start()
    answer = WORKS[given.pop("work")](given, meter)
    meter.stop()
    Path(os.environ["WEIR_OUT"], "answer").write_text(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # skips the libraries' clean-up: the process ends anyway


if __name__ == "__main__":
    main()
