"""Datasets: what they are, their mock data, questions about them, and files for them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from weir import shares
from weir.command.printed import Printed, UsageError, facts, table
from weir.command.session import portal_of
from weir.datasets import Dataset
from weir.errors import NotOffered
from weir.online import Written
from weir.results import plain_name

TERMS = ("error", "epsilon", "share")
LARGEST_QUESTION = 200_000


def datasets(options: Any) -> Printed:
    """List datasets, or describe one."""
    with portal_of(options) as portal:
        if options.name is None:
            found = [each.details for each in portal.datasets]
            shown = ("name", "title", "state", "owner")
            return Printed(found, table(shown, ([each.get(name) for name in shown] for each in found)))
        data = portal.datasets[options.name]
        schema = _schema(data)
        pairs = [
            (name, data.details.get(name))
            for name in ("name", "title", "summary", "state", "owner", "revision")
        ]
        return Printed(
            {**data.details, "tables": schema}, "\n\n".join([facts(pairs), *map(_described, schema)])
        )


def _schema(data: Dataset) -> list[dict[str, Any]]:
    return list(data.declared) if data.details.get("revision") else []


def _described(declared: dict[str, Any]) -> str:
    shown = ("name", "type", "lower", "upper", "unit", "categories", "description")
    lines = ([_words(column.get(name)) for name in shown] for column in declared["columns"])
    return f"table {declared['name']}: {declared['description']}\n{table(shown, lines)}"


def _words(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def mock(options: Any) -> Printed:
    """Download mock data."""
    with portal_of(options) as portal:
        data = portal.datasets[options.name]
        folder = Path(options.output)
        folder.mkdir(parents=True, exist_ok=True)
        names = [str(each["name"]) for each in data.declared]
        paths = [
            str(data.mock(name, folder / plain_name(f"{data.name}-{name}-mock.parquet"))) for name in names
        ]
        return Printed(paths, "\n".join(paths))


def query(options: Any) -> Printed:
    """Price a question, and ask it once the price is confirmed."""
    terms = {name: getattr(options, name) for name in TERMS if getattr(options, name) is not None}
    with portal_of(options) as portal:
        asked = _asked(portal.datasets[options.name], options)
        price = asked.price(**terms)
        if options.price:
            return Printed(price.details, repr(price))
        if not options.yes and not price.is_free:
            _confirm(repr(price))
        answer = asked.release(**terms)
        return Printed({**answer.details, "result": answer.result}, repr(answer))


def _asked(data: Dataset, options: Any) -> Written:
    if (options.sql is None) == (options.file is None):
        raise UsageError("Give the question either as SQL or, with -f, as a file of JSON.")
    if options.sql is not None:
        return data.sql(options.sql)
    try:
        with Path(options.file).open(encoding="utf-8") as file:
            return data.question(json.loads(file.read(LARGEST_QUESTION)))
    except (OSError, ValueError) as bad:
        raise NotOffered(f"{options.file} is not a question as JSON: {bad}.") from bad


def _confirm(price: str) -> None:
    """Show the price and ask. Nothing is spent unless the answer is yes."""
    if not sys.stdin.isatty():
        raise UsageError("This spends your budget. Look at the price with --price, then add --yes.")
    sys.stderr.write(f"{price}\nAsk this? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise NotOffered("Nothing was asked, and nothing is spent.")


def budgets(options: Any) -> Printed:
    """List budgets."""
    with portal_of(options) as portal:
        found = portal.budgets
        names = ("id", "dataset", "epsilon", "used", "closed_at")
        lines = ([_percent(each) if name == "used" else each.get(name) for name in names] for each in found)
        return Printed(found, table(names, lines) if found else "You have no budgets.")


def _percent(budget: dict[str, Any]) -> str:
    used = budget.get("share_used")
    return "" if used is None else shares.percent(used)


def upload(options: Any) -> Printed:
    """Send a file to the draft of a dataset."""
    with portal_of(options) as portal:
        made = portal.datasets[options.name].upload(options.file, options.table)
        words = f"{made.details['rows']:,} rows are in the table {made.name}. Declare its columns, then publish it."
        return Printed(made.details, words)
