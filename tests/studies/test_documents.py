"""The document of a study: one text for one agreement, and a refusal for everything else."""

import hashlib
import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privacy.engine.language.schema import ColumnSpec, Kind, TableSpec
from studies import documents

A, B = "https://a.example.org", "https://b.example.org"
PK = UUID(int=7)
PAY = ColumnSpec(name="pay", kind=Kind.NUMBER, lower=0.0, upper=60.0, decimals=2, unit="kEUR", nullable=False)
AREA = ColumnSpec(name="area", kind=Kind.CATEGORY, labels=("north", "süd"))

LONG = replace(AREA, labels=tuple(f"{'x' * 190}{number}" for number in range(20)))


def table(*columns: ColumnSpec, **changes: Any) -> TableSpec:
    fields = {"name": "wages", "subject": documents.SUBJECT, "max_rows": 10, **changes}
    return TableSpec(columns={each.name: each for each in columns or (PAY, AREA)}, **fields)


def written(**changes: Any) -> str:
    fields: dict[str, Any] = {
        "id": PK, "name": "wages-north", "title": "Wages", "purpose": "How wages grow.\nIn the north.",
        "founder": A, "portals": [B, A], "table": table(),
    }  # fmt: skip
    return documents.write_study(**{**fields, **changes})


def test_a_document_says_what_was_written():
    found = documents.read_study(written())
    assert found == documents.StudyDocument(
        id=PK, name="wages-north", title="Wages", purpose="How wages grow.\nIn the north.", founder=A,
        portals=(A, B), table=table(), text=written(),
    )  # fmt: skip
    assert found.sha256 == hashlib.sha256(written().encode()).hexdigest()
    assert written().isascii()


BOUNDS = st.floats(-1e30, 1e30)


@st.composite
def columns(draw: st.DrawFn, name: str) -> ColumnSpec:
    kind = draw(st.sampled_from(documents.KINDS))
    known: dict[str, Any] = {"name": name, "kind": kind, "nullable": draw(st.booleans())}
    if kind == Kind.BOOLEAN:
        return ColumnSpec(**known, upper=1.0, labels=("0", "1"))
    if kind == Kind.CATEGORY:
        labels = draw(
            st.lists(st.from_regex(r"[a-zé ]{1,9}", fullmatch=True), min_size=1, max_size=5, unique=True)
        )
        return ColumnSpec(**known, labels=tuple(labels))
    whole = kind == Kind.INTEGER
    lower, upper = sorted(
        draw(st.tuples(st.integers(-99, 99), st.integers(-99, 99)) if whole else st.tuples(BOUNDS, BOUNDS))
    )
    return ColumnSpec(
        **known, lower=float(lower), upper=float(upper), unit=draw(st.sampled_from(["", "EUR"]))
    )


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_table_is_read_as_it_was_written(data: st.DataObject):
    names = data.draw(
        st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), min_size=1, max_size=4, unique=True)
    )
    made = table(*[data.draw(columns(name)) for name in names if name != documents.SUBJECT] or [PAY])
    found = documents.read_study(written(table=made))
    assert found.table == made
    assert documents.read_study(found.text).sha256 == found.sha256


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"portals": [A]}, "not between 2 and 10 parts"),
        ({"portals": [A, *(f"https://p{each}.example.org" for each in range(10))]}, "not between 2 and 10 parts"),
        ({"portals": [A, A]}, "one is there twice"),
        ({"portals": [A, "https://B.example.org"]}, "no address of one"),
        ({"portals": [A, f"https://{'b' * 200}.org"]}, "no address of one"),
        ({"founder": "https://c.example.org"}, "not one of its portals"),
        ({"name": "Wages"}, "small letters, digits and hyphens"),
        ({"title": ""}, "“title” has the wrong length"),
        ({"title": "a\u202eb"}, "characters that cannot be seen"),
        ({"purpose": "x" * 2001}, "its purpose has the wrong length"),
        ({"purpose": " x"}, "its purpose has the wrong length"),
        ({"table": table(name="Wages")}, "small letters, digits and underscores"),
        ({"table": table(replace(PAY, name="person"))}, "by which questions count people"),
        ({"table": table(replace(PAY, kind=Kind.DATE))}, "not of a kind that studies have"),
        ({"table": table(replace(PAY, lower=1.005))}, "more decimals than its values"),
        ({"table": table(replace(PAY, decimals=7))}, "not between 0 and 6"),
        ({"table": table(replace(PAY, kind=Kind.INTEGER))}, "is not a number that may have any"),
        ({"table": table(replace(PAY, kind=Kind.INTEGER, decimals=None, upper=0.5))}, "more decimals"),
        ({"table": table(replace(PAY, lower=61.0))}, "not in order"),
        ({"table": table(replace(PAY, decimals=None, upper=1e31))}, "too large"),
        ({"table": table(replace(PAY, upper=float("inf")))}, "not a number as documents write it"),
        ({"table": table(replace(PAY, unit="x" * 41))}, "“unit” has the wrong length"),
        ({"table": table(replace(AREA, labels=()))}, "categories of “area”"),
        ({"table": table(replace(AREA, labels=("a", "a")))}, "categories of “area”"),
        ({"table": table(replace(AREA, labels=("a\n",)))}, "a category is not a text"),
        ({"table": table(replace(AREA, labels=tuple(map(str, range(201)))))}, "not between 0 and 200"),
        ({"table": table(replace(AREA, upper=1.0))}, "not expected"),
        ({"table": table(*[replace(PAY, name=f"c{each}") for each in range(41)])}, "not between 1 and 40"),
        (
            {"table": table(*[replace(LONG, name=f"c{each}") for each in range(30)])},
            "more than 100,000 bytes",
        ),
    ],
)  # fmt: skip
def test_what_no_study_has_is_refused(changes: dict[str, Any], why: str):
    with pytest.raises(ValueError, match=why) as raised:
        written(**changes)
    assert str(raised.value).startswith("A study cannot be declared so: ")


def changed(path: tuple[str | int, ...], value: object) -> str:
    """A document with another value at a place."""
    whole = json.loads(written())
    part = whole
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return json.dumps(whole, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (written() + " ", "canonical form"),
        ("x", "Expecting value"),
        (changed(("v",), 2), "“v” is not between 1 and 1"),
        (changed(("more",), 1), "and no others"),
        (changed(("portals",), [B, A]), "not in order"),
        (changed(("portals",), [A, 7]), "no address"),
        (changed(("id",), str(PK).upper().replace("-", "")), "not written as ids are"),
        (changed(("id",), "7"), "badly formed"),
        (changed(("table", "columns", 0, "lower"), "0"), "not a number as documents write it"),
        (changed(("table", "columns", 0, "lower"), "1" * 40), "not written as text"),
        (changed(("table", "columns", 0, "lower"), 0), "wrong type"),
        (changed(("table", "columns", 0, "decimals"), [1]), "wrong type"),
        (changed(("table", "columns", 1, "name"), "pay"), "the same name"),
        (changed(("table", "columns", 1, "labels"), [1]), "not a text"),
        (changed(("table", "max_rows"), 0), "“max_rows” is not between 1 and 4096"),
    ],
)
def test_what_is_not_a_document_is_refused(text: str, why: str):
    with pytest.raises(ValueError, match=why) as raised:
        documents.read_study(text)
    assert str(raised.value).startswith("The study's document cannot be read: ")
