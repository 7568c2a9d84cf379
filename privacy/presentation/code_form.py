"""Convert the fields of the page for code into a question and back, and propose code to begin with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from privacy.engine.language import sql, sql_text
from privacy.engine.language.code import (
    DEFAULT_ENVIRONMENT,
    MAX_OUTPUTS,
    Ball,
    Box,
    CodeQuestion,
    Shape,
    Votes,
)
from privacy.engine.language.schema import ColumnSpec, Kind, QueryRefused, TableSpec
from privacy.engine.language.sql_text import number

NUMBERS, VECTOR, VOTE = "numbers", "vector", "vote"
SHAPES = {
    NUMBERS: "Numbers, each between two bounds",
    VECTOR: "A vector, no longer than a radius",
    VOTE: "One of several labels",
}
"""What the function returns: the value of the field, and its words."""
METHODS = {
    "auto": "Chosen by the number of blocks",
    "mean": "Mean of the blocks",
    "winsorised": "Mean of the blocks, with outliers pulled in",
    "median": "Median of the blocks",
}


@dataclass(slots=True)
class Output:
    """One number that the function returns, as it was typed. `wrong`: what is wrong with which part."""

    name: str = ""
    lower: str = ""
    upper: str = ""
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        return not (self.name or self.lower or self.upper)


def outputs_of(data: Mapping[str, Any]) -> list[Output]:
    """Return the lines that were typed. Blank ones, and those beyond the most, are ignored."""

    def typed(k: int, part: str) -> str:
        return str(data.get(f"output-{k}-{part}", "")).strip()[:200]

    lines = [
        Output(name=typed(k, "name"), lower=typed(k, "lower"), upper=typed(k, "upper"))
        for k in range(MAX_OUTPUTS)
    ]
    return [line for line in lines if not line.is_blank]


def question_of(fields: Mapping[str, Any], outputs: Sequence[Output], table: TableSpec) -> CodeQuestion:
    """Return the question of these fields. Raises QueryRefused, with the place of what is wrong."""
    try:
        where = sql.read_condition(str(fields.get("condition") or ""), table)
    except QueryRefused as refused:
        raise QueryRefused(str(refused), place="question.where") from refused
    return CodeQuestion(
        table=table.name,
        code=str(fields.get("code") or ""),
        shape=_shape(fields, outputs),
        where=where,
        people=fields.get("people"),
        blocks=fields.get("blocks"),
        environment=str(fields.get("environment") or DEFAULT_ENVIRONMENT),
    )


def _shape(fields: Mapping[str, Any], outputs: Sequence[Output]) -> Shape:
    match fields.get("shape"):
        case "vector":
            return Ball(
                size=_given(fields, "size", "Enter how many numbers the vector has."),
                radius=_given(fields, "radius", "Enter the radius: a longer vector is shortened to it."),
                rounds=fields.get("rounds") or 1,
                start=_vector(str(fields.get("start") or "")),
            )
        case "vote":
            typed = str(fields.get("labels") or "").splitlines()
            return Votes(labels=tuple(line.strip() for line in typed if line.strip()))
        case _:
            ends = [(_end(line, "lower", k), _end(line, "upper", k)) for k, line in enumerate(outputs)]
            return Box(
                names=tuple(line.name for line in outputs),
                lower=tuple(low for low, _ in ends),
                upper=tuple(high for _, high in ends),
                method=fields.get("method") or "auto",
                halves=bool(fields.get("halves")),
            )


def _given(fields: Mapping[str, Any], name: str, otherwise: str) -> Any:
    if fields.get(name) is None:
        raise QueryRefused(otherwise, place=f"question.shape.{name}")
    return fields[name]


def _end(line: Output, end: str, k: int) -> float:
    typed: str = getattr(line, end)
    return _number(typed, f"the {end} bound", f"question.shape.{end}[{k}]")


def _vector(text: str) -> tuple[float, ...]:
    """Return numbers that are separated by commas, blanks or lines."""
    return tuple(
        _number(part, "the start", "question.shape.start") for part in text.replace(",", " ").split()
    )


def _number(text: str, what: str, place: str) -> float:
    try:
        return float(text.replace("\N{MINUS SIGN}", "-"))
    except ValueError as bad:
        typed = f"“{text[:40]}” is not a number" if text else "A number is missing"
        raise QueryRefused(f"{typed}: enter {what}, such as 0 or 2500.5.", place=place) from bad


# Back: from a question to the fields that ask it


def fields_of(question: CodeQuestion, table: TableSpec) -> dict[str, Any]:
    """Return the fields of a question. A condition that SQL cannot express is left out."""
    where = question.where
    fields: dict[str, Any] = {
        "table": question.table,
        "code": question.code,
        "condition": sql_text.condition(where, table) if where is not None else "",
        "people": question.people,
        "blocks": question.blocks,
        "environment": question.environment,
        "halves": True,
    }
    match question.shape:
        case Box(names=names, lower=lower, upper=upper, method=method, halves=halves):
            lines = [
                Output(*line) for line in zip(names, map(number, lower), map(number, upper), strict=True)
            ]
            return {**fields, "shape": NUMBERS, "method": method, "halves": halves, **output_data(lines)}
        case Ball(size=size, radius=radius, rounds=rounds, start=start):
            typed = ", ".join(map(number, start))
            ball = {"size": size, "radius": number(radius), "rounds": rounds, "start": typed}
            return {**fields, "shape": VECTOR, **ball}
        case Votes(labels=labels):
            return {**fields, "shape": VOTE, "labels": "\n".join(labels)}


def output_data(outputs: Sequence[Output]) -> dict[str, str]:
    """Return lines as the form sends them."""
    return {
        f"output-{k}-{part}": getattr(line, part)
        for k, line in enumerate(outputs)
        for part in ("name", "lower", "upper")
    }


# Code to begin with


def example(table: TableSpec) -> CodeQuestion:
    """Return code that runs on a table with these columns, and that no question with SQL could ask."""
    columns = list(table.columns.values())
    numeric = [spec for kind in (Kind.NUMBER, Kind.INTEGER) for spec in columns if spec.kind == kind]
    keys = [spec for spec in columns if spec.kind == Kind.CATEGORY]
    if numeric:
        return _example_of_numbers(table.name, numeric[0])
    if keys:
        name = keys[0].name
        body = f"shares = t[{name!r}].value_counts(normalize=True)\n    return [shares.max()]"
        says = f"The share of the most frequent value of {name}."
        return _question(table.name, "largest_share", (0.0, 1.0), f"# {says}", body)
    body = f"return [len(t) / t[{table.subject!r}].nunique()]"
    return _question(table.name, "rows_each", (1.0, table.max_rows + 1.0), "# Rows of a person.", body)


def _example_of_numbers(table: str, spec: ColumnSpec) -> CodeQuestion:
    body = f"x = t[{spec.name!r}].dropna()\n    return [x.quantile(0.75) - x.quantile(0.25)]"
    says = f"# How far apart the quartiles of {spec.name} are."
    return _question(table, "quartiles_apart", (0.0, max(spec.upper - spec.lower, 1.0)), says, body)


def _question(table: str, name: str, ends: tuple[float, float], says: str, body: str) -> CodeQuestion:
    says = " ".join(says.split())  # a name may hold a line break
    code = f"def main(t):\n    {says}\n    {body}\n"
    return CodeQuestion(table=table, code=code, shape=Box(names=(name,), lower=ends[:1], upper=ends[1:]))


# What the code gets


def type_of(spec: ColumnSpec) -> str:
    """Return the pandas type of a column in the code, as it follows from its declarations; empty if it is not there."""
    match spec.kind:
        case Kind.INTEGER:
            return "Int64" if spec.nullable else "int64"
        case Kind.NUMBER:
            return "float64"
        case Kind.BOOLEAN:
            return "boolean" if spec.nullable else "bool"
        case Kind.CATEGORY:
            return "category"
        case Kind.DATE:
            return "datetime64[ms]"
        case _:
            return ""
