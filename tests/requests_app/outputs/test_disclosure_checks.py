"""The automatic checks of a held file: each with something that it flags and something that it leaves alone."""

import pytest

from requests_app.outputs import count_rules, disclosure_checks
from requests_app.outputs.disclosure_checks import Earlier
from runner.contract import OutputFile
from runner.gates import value_facts

THRESHOLD = 10


def table(rows: int, *columns: dict[str, object], cells: list[list[object]] | None = None, formulas: int = 0):
    made = [{"type": "integer", "nulls": 0, "distinct": min(rows, 3), **column} for column in columns]
    return {"kind": "table", "rows": rows, "columns": made, "cells": cells or [], "formula_cells": formulas}


def whole(name: str, low: int, high: int, **more: object) -> dict[str, object]:
    small = [[value, 1] for value in (low, high) if 0 < value <= 1000]
    return {"name": name, "min": float(low), "max": float(high), "whole": True, "small": small, **more}


def text(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "type": "text", **more}


def numbers(*pairs: tuple[str, float]) -> dict[str, object]:
    value: dict[str, object] = dict(pairs)
    return value_facts.of_json(value)


def check(facts, *, kind="parquet", size=1_000, subjects=(), earlier=()):
    file = OutputFile(name=f"result.{kind}", type=kind, bytes=size, sha256="0" * 64)
    found = disclosure_checks.check(facts, file=file, threshold=THRESHOLD, subjects=subjects, earlier=earlier)
    return {str(one["name"]): one for one in found}


def flagged(facts, **more) -> set[str]:
    return {name for name, one in check(facts, **more).items() if not one["ok"]}


def test_an_ordinary_table_passes_every_check():
    facts = table(
        3, text("group"), whole("count", 20, 400, top_two_share=0.8), {"name": "mean", "type": "number"}
    )
    found = check(facts)
    assert {name for name, one in found.items() if not one["ok"]} == set()
    assert list(found) == [
        *(
            "type",
            "size",
            "content",
            "rows",
            "identifiers",
            "formulas",
            "dominance",
            "small counts",
            "differences",
        )
    ]
    assert all(set(one) >= {"name", "ok", "value", "threshold", "text"} for one in found.values())
    assert all(str(one["text"]).endswith(".") for one in found.values())


def test_type_and_size():
    assert flagged(numbers(("mean", 1.5)), kind="html") == {"type"}
    assert flagged(numbers(("mean", 1.5)), kind="json", size=16 * 2**20 + 1) == {"size"}


@pytest.mark.parametrize(
    "facts", [{"kind": "text"}, {"kind": "image"}, {"kind": "none", "text": "It is malformed."}]
)
def test_what_no_check_can_judge_is_said_to_need_a_look(facts):
    assert flagged(facts) == {"content"}


def test_many_rows_may_be_one_per_person():
    assert flagged(table(1_001, {"name": "mean", "type": "number"})) == {"rows"}
    assert flagged(value_facts.of_json([None] * 1_001), kind="json") == {"rows"}


@pytest.mark.parametrize(
    "column",
    [
        text("Person"),
        text("patient_id"),
        text("EMail"),
        text("code", distinct=60),
        whole("serial", 10_007, 99_831, distinct=60, type="integer"),
    ],
)
def test_columns_that_identify(column):
    assert "identifiers" in flagged(table(60, column, text("x")), subjects=["person"])


@pytest.mark.parametrize(
    "column",
    [
        text("width"),
        text("identity_share"),
        whole("index", 0, 59, distinct=60, type="integer"),
        text("label", distinct=59),
        {"name": "mean", "type": "number", "distinct": 60},
    ],
)
def test_columns_that_do_not_identify(column):
    assert "identifiers" not in flagged(table(60, column, text("x")), subjects=["person"])


def test_unique_values_in_a_short_table_are_group_names():
    assert "identifiers" not in flagged(table(3, text("group", distinct=3)))


@pytest.mark.parametrize(
    "name", ["count", "n", "N", "group_size", "nPatients", "freq", "obs", "Number of people"]
)
def test_small_counts_are_flagged_by_name(name):
    one = check(table(3, text("group"), whole(name, 3, 400)))["small counts"]
    assert (one["ok"], one["value"], one["threshold"]) == (False, 1, 10)
    assert one["text"] == f"1 count below 10, in {name}: each may describe only a few people."


def test_small_counts_of_a_cross_table_are_flagged_without_a_name():
    assert "small counts" in flagged(
        table(3, text("region"), whole("married", 4, 90), whole("single", 40, 70))
    )


def test_the_first_of_several_numbers_names_the_groups():
    means = {"name": "mean", "type": "number"}
    assert "small counts" not in flagged(table(3, whole("children", 0, 4), means))
    assert "small counts" in flagged(table(3, whole("married", 4, 90), means, text("region")))
    assert "small counts" in flagged(table(3, whole("married", 4, 90)))


@pytest.mark.parametrize(
    "column",
    [
        whole("count", 10, 400),
        whole("count", 0, 400),
        whole("year", 7, 9),
        whole("month", 1, 12),
        whole("born", 1950, 1990, small=[]),
        whole("k", 0, 2),
        whole("change", -3, 5),
        {"name": "count", "type": "number", "min": 1.5, "max": 3.0, "whole": False},
    ],
)
def test_numbers_that_are_no_small_counts(column):
    assert "small counts" not in flagged(table(3, text("group"), column))


def test_small_counts_in_json_are_found_under_keys_that_say_so():
    one = check(numbers(("n", 5), ("by.count.a", 3), ("by.mean.a", 3), ("size", 12), ("counts[0]", 2.0)))
    assert (one["small counts"]["ok"], one["small counts"]["value"]) == (False, 3)
    assert "small counts" not in flagged(numbers(("n", 10), ("n2", 0), ("mean", 3), ("count", 2.5)))


def test_dominance():
    two = check(table(5, text("firm"), {"name": "turnover", "type": "number", "top_two_share": 0.95}))[
        "dominance"
    ]
    assert (two["ok"], two["value"], two["threshold"]) == (False, 0.95, 0.9)
    assert two["text"].startswith("The two largest values of turnover make up 95% of its sum: ")
    assert "dominance" not in flagged(table(5, {"name": "turnover", "type": "number", "top_two_share": 0.9}))


def test_formulas_are_counted():
    assert check(table(3, text("a"), formulas=2))["formulas"]["value"] == 2
    assert "formulas" in flagged(table(3, text("a"), formulas=1))


def by_region(*counts: int):
    rows: list[list[object]] = [[region, count] for region, count in zip("abc", counts, strict=True)]
    return table(3, text("region"), whole("count", min(counts), max(counts)), cells=rows)


def test_counts_that_differ_by_few_people_from_an_earlier_release():
    before = disclosure_checks.released(
        "Wages by region", "t.csv", list(check(by_region(100, 200, 300)).values())
    )
    assert before == Earlier(
        "Wages by region", "t.csv", {"a | count": 100, "b | count": 200, "c | count": 300}
    )
    one = check(by_region(100, 197, 350), earlier=[before])["differences"]
    assert (one["ok"], one["value"], one["threshold"]) == (False, 1, 10)
    assert one["text"] == (
        "1 pair of counts, here and released earlier, with a difference below 10. It may describe only a few people. "
        "First: b | count is 197 here and 200 in t.csv of Wages by region."
    )


def test_groups_are_recognised_wherever_their_names_stand():
    rows = [[100, 1.5, "a", 1980], [200, 2.5, "b", 1980]]
    columns = [
        whole("count", 100, 200),
        {"name": "mean", "type": "number"},
        text("region"),
        whole("year", 1980, 1980),
    ]
    assert count_rules.counts(table(2, *columns, cells=rows)) == {
        "a · 1980 | count": 100,
        "b · 1980 | count": 200,
    }


def test_equal_and_distant_counts_are_no_differencing():
    before = Earlier("x", "t.csv", {"a | count": 100, "b | count": 200, "c | count": 300})
    assert "differences" not in flagged(by_region(100, 210, 290), earlier=[before])
    assert (
        check(by_region(1, 2, 3))["differences"]["text"]
        == "No earlier release of this dataset to compare with."
    )


def test_the_comparison_can_be_made_again_from_what_was_kept():
    kept = list(check(by_region(100, 200, 300)).values())
    again = disclosure_checks.again(kept, THRESHOLD, [Earlier("x", "t.csv", {"a | count": 99})])
    assert [one["name"] for one in again if not one["ok"]] == ["differences"]
    assert [one for one in again if one["name"] != "differences"] == [
        one for one in kept if one["name"] != "differences"
    ]


def test_a_record_tells_nothing_of_other_releases():
    before = Earlier("SECRET TITLE", "t.csv", {"a | count": 99})
    kept = disclosure_checks.fit_for_record(list(check(by_region(100, 200, 300), earlier=[before]).values()))
    assert "SECRET TITLE" not in str(kept)
    assert [one["name"] for one in kept] == [
        *("type", "size", "content", "rows", "identifiers", "formulas", "dominance", "small counts")
    ]
    assert all(set(one) == {"name", "ok", "value", "threshold"} for one in kept)


def test_counts_kept_for_later_are_limited():
    facts = numbers(*[(f"count.k{number}", number) for number in range(2_000)])
    assert len(count_rules.counts(facts)) == count_rules.MAX_COUNTS
