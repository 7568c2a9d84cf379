"""What a peer tells of its datasets is checked field by field: what is not as it should be changes nothing here."""

import copy
import json
from typing import Any
from uuid import uuid4

import pytest
from django.template.loader import render_to_string

from network import documents, entries
from network.entries import Unreadable
from tests.makers import catalogues

SAMPLED = {
    "table": "wages", "answer": {"id": str(uuid4())}, "epsilon": "0.31", "delta": "1e-07", "columns": ["wage"],
    "created_at": "2026-11-30T12:00:00Z",
}  # fmt: skip


@pytest.fixture
def whole() -> dict[str, Any]:
    """A catalogue in which every part is there."""
    entry = catalogues.entry()
    entry["schema"]["sampled_mocks"] = [SAMPLED]
    return catalogues.told(copy.deepcopy(entry))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value in JSON."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, each in parts for found in places(each, (*path, name)))]


def with_value(document: dict[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    if not path:
        return value
    here = changed
    for name in path[:-1]:
        here = here[name]
    here[path[-1]] = value
    return changed


def is_read(document: Any) -> bool:
    try:
        entries.read(document)
    except Unreadable:
        return False
    return True


def test_a_catalogue_is_read_as_it_came(whole):
    found = entries.read(whole)
    assert found.entries == whole["datasets"]
    assert found.left_off == 0
    assert json.loads(documents.canonical(whole)) == whole


def test_an_empty_one_is_read_too():
    assert entries.read(catalogues.told(left_off=7)) == entries.Told([], 7)


RUBBISH: list[Any] = [
    *({"a": 1}, [], [[]], {}, True, -1, 1.5, 10**400, float("nan")),
    *("\x00", "a\x07b", "a\u202eb", "\ud800", "x" * 300_000),
]


def test_every_field_refuses_rubbish(whole):
    """Of each kind of rubbish, at every place; only what is fit for the place by chance is read."""
    taken: dict[tuple[Any, ...], list[Any]] = {}
    for path in places(whole):
        for value in RUBBISH:
            if is_read(with_value(whole, path, value)):
                taken.setdefault(path[-1:], []).append(value)
    assert taken == {
        ("datasets",): [[]],
        ("tags",): [[]],
        ("tables",): [[]],
        ("sampled_mocks",): [[]],
        ("columns",): [[]],
        ("categories",): [[], []],
        ("is_person",): [True, True],
        ("nullable",): [True, True],
        ("constant",): [True, True],
        ("about_people",): [True],
    }


def test_every_field_is_needed_and_no_other_is_known(whole):
    objects = [path for path in places(whole) if isinstance(_at(whole, path), dict)]
    assert len(objects) > 8
    for path in objects:
        for name in _at(whole, path):
            less = copy.deepcopy(whole)
            del _at(less, path)[name]
            assert not is_read(less), (path, name)
        more = copy.deepcopy(whole)
        _at(more, path)["more"] = 1
        assert not is_read(more), path


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        document = document[name]
    return document


@pytest.mark.parametrize(
    ("path", "longest"),
    [
        (("title",), 200), (("summary",), 400), (("description",), 20_000), (("institution",), 200),
        (("tags", 0), 40), (("terms", "text"), 20_000), (("schema", "note"), 500),
        (("schema", "tables", 0, "description"), 1000), (("schema", "tables", 0, "columns", 0, "name"), 128),
        (("schema", "tables", 0, "columns", 0, "description"), 500),
        (("schema", "tables", 0, "columns", 0, "unit"), 40),
    ],
    ids=str,
)  # fmt: skip
def test_texts_have_limits(whole, path, longest):
    where = ("datasets", 0, *path)
    assert is_read(with_value(whole, where, "x" * longest))
    assert not is_read(with_value(whole, where, "x" * (longest + 1)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("title",), ""), (("title",), "a\nb"), (("tags", 0), "a\nb"), (("institution",), "a\tb"),
        (("name",), "../x"), (("name",), "Wages"), (("name",), "wages\n"), (("id",), "1"),
        (("schema", "tables", 0, "name"), "a/b"), (("schema", "tables", 0, "columns"), []),
        (("schema", "tables", 0, "columns", 1, "type"), "image"),
        (("schema", "tables", 0, "columns", 1, "stored"), "blob"),
        (("schema", "tables", 0, "columns", 1, "lower"), "nan"),
        (("schema", "tables", 0, "columns", 1, "lower"), "1e999"),
        (("schema", "tables", 0, "columns", 1, "lower"), " 1"),
        (("schema", "tables", 0, "columns", 1, "lower"), "1_0"),
        (("schema", "tables", 0, "columns", 1, "categories"), ["x"] * 501),
        (("schema", "tables", 0, "columns", 1, "categories"), [None]),
        (("schema", "tables", 0, "columns", 1, "categories"), [2**63]),
        (("schema", "published_at"), "yesterday"), (("schema", "sha256"), "ab"),
        (("schema", "revision", "number"), -1), (("terms", "number"), 2**63),
        (("automatic", "epsilon"), "0"), (("automatic", "epsilon"), "-1"), (("automatic", "delta"), "2"),
        (("tags",), ["x"] * 13),
    ],
    ids=str,
)  # fmt: skip
def test_values_have_a_form(whole, path, value):
    assert not is_read(with_value(whole, ("datasets", 0, *path), value))


@pytest.mark.parametrize("name", ["terms", "automatic"])
def test_what_may_be_missing_is_null(whole, name):
    assert is_read(with_value(whole, ("datasets", 0, name), None))


def test_there_are_at_most_500_and_none_twice():
    one = catalogues.entry()
    many = [{**one, "id": str(uuid4())} for _ in range(501)]
    assert not is_read(catalogues.told(*many))
    assert not is_read(catalogues.told(one, {**one, "id": one["id"].upper()}))
    assert is_read(catalogues.told(*many[:2]))


def test_a_refusal_says_where_and_repeats_nothing(whole):
    path = ("datasets", 0, "schema", "tables", 0, "columns", 1, "unit")
    with pytest.raises(
        Unreadable, match=r"datasets\.0\.schema\.tables\.0\.columns\.1\.unit: It has a control"
    ):
        entries.read(with_value(whole, path, "secret\x07"))


# What is shown


@pytest.mark.parametrize("bound", ["-1e300", "0", "1e300", "719162", "-719162", "1e17", "0.5"])
@pytest.mark.parametrize("kind", ["integer", "number", "date", "datetime"])
def test_whatever_bounds_are_told_can_be_shown(bound, kind):
    column = {**catalogues.COLUMN, "type": kind, "lower": bound, "upper": bound}
    told = catalogues.entry()
    told["schema"]["tables"][0]["columns"] = [column]
    entries.read(catalogues.told(told))
    (table,) = entries.tables_of(told)
    assert "wage" in render_to_string("datasets/parts/columns.html", {"table": table})


def test_types_that_do_not_fit_what_is_stored_can_be_shown():
    for kind in ("category", "text", "boolean"):
        told = catalogues.entry()
        told["schema"]["tables"][0]["columns"] = [
            {**catalogues.COLUMN, "type": kind, "categories": [1, "<b>"]}
        ]
        (table,) = entries.tables_of(told)
        shown = render_to_string("datasets/parts/columns.html", {"table": table})
        assert "<b>" not in shown


def test_the_search_reads_a_limited_text():
    told = catalogues.entry()
    told["schema"]["tables"][0]["columns"] *= 2000
    words = entries.words_of(told)
    assert words.startswith("wages Wages by year. person wage Pay per month")
    assert len(words) == entries.MOST_WORDS
