"""The initial code of a new request: it reads the declared tables and runs unchanged."""

import json

from datasets.models import Column, Revision, Table


def template_code(revision: Revision) -> str:
    """Return a main() over the declared tables that runs unchanged and gives an answer likely to be released."""
    tables = list(revision.tables.prefetch_related("columns"))
    if not tables:
        return "def main():\n    return {}\n"
    lines = ["def main(" + ", ".join(table.name for table in tables) + "):"]
    lines += [f"    # {_described(table)}" for table in tables]
    return "\n".join([*lines, *_answer(tables[0]), ""])


def _described(table: Table) -> str:
    names = [column.name for column in table.columns.all()]
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"{table.name} is a pandas DataFrame with the columns {shown}".replace("\n", " ")


def _answer(table: Table) -> list[str]:
    """Return lines for two aggregates over everybody: the number of people and the mean of one declared number."""
    columns = list(table.columns.all())
    subject = next((column for column in columns if column.is_subject), None)
    people = f"{table.name}[{_quoted(subject.name)}].nunique()" if subject else f"len({table.name})"
    lines = ["    return {", f'        "people": int({people}),']
    if (number := _measure(columns)) is not None:
        name = _quoted(f"mean_{number.name}")
        lines.append(f"        {name}: float({table.name}[{_quoted(number.name)}].mean()),")
    return [*lines, "    }"]


def _measure(columns: list[Column]) -> Column | None:
    """Return a column to average, preferably not of whole numbers, which are often years or codes."""
    for kind in (Column.Type.NUMBER, Column.Type.INTEGER):
        for column in columns:
            if column.type == kind and not column.is_subject:
                return column
    return None


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
