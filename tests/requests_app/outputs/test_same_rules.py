"""One answer as a table, as JSON and as a text: what should be pointed out is, and what is harmless is not."""

import json
from pathlib import Path

import pytest

from requests_app.outputs import disclosure_checks
from runner.contract import OutputFile
from runner.gates import previews, value_facts

THRESHOLD = 10


def flagged(content: object, kind: str = "json", subjects: tuple[str, ...] = ("person",)) -> set[str]:
    """Return the names of the checks that flag this, except the advice to read every text."""
    facts = value_facts.of_json(content) if kind == "json" else value_facts.of_text(str(content))
    file = OutputFile(name=f"result.{kind}", type=kind, bytes=100, sha256="0" * 64)
    found = disclosure_checks.check(facts, file=file, threshold=THRESHOLD, subjects=subjects)
    return {str(one["name"]) for one in found if not one["ok"]} - ({"content"} if kind == "txt" else set())


RICH = {"rich_by_region_and_sex": {"north/f": 3, "north/m": 25, "south/f": 14}}
SAID = "North: 3 people earn more than 60000. The highest income is 71234 (person 4711)."
DRAWN = "         n  mean\nregion\nnorth    3  10.5\nsouth  400  12.5\n"


def called(given: object) -> str:
    """What a case is called, the same in every process."""
    return " and ".join(sorted(given)) if isinstance(given, set) else str(given)[:60]


@pytest.mark.parametrize(
    ("value", "checks"),
    [
        (RICH, {"small counts"}),
        ({"rich": RICH}, {"small counts"}),
        ({"age": {"30": 2, "31": 300}}, {"small counts"}),
        ([{"region": "north", "rich": 3}, {"region": "south", "rich": 30}], {"small counts"}),
        ({"columns": ["region", "rich"], "data": [["north", 3], ["south", 30]]}, {"small counts"}),
        ({"n": 5, "mean": 2.5}, {"small counts"}),
        ({"income": {"count": 3.0, "mean": 2.5}}, {"small counts"}),
        ({"note": "Of the women, only 4 were in work."}, {"small counts", "content"}),
        ({"note": SAID}, {"small counts", "identifiers", "content"}),
        ({"richest": {"person": 4711, "income": 71234.5}}, {"identifiers"}),
        ([{"patient_id": 4711, "income": 1.5}], {"identifiers"}),
        ({str(4711 + number * 7): 1.5 for number in range(60)}, {"identifiers"}),
        ({"incomes": [1_000 + 17 * number for number in range(60)]}, {"identifiers"}),
        ({"incomes": [0.5 * number for number in range(1, 1_100)]}, {"rows"}),
        ({"turnover": [1e6, 5.5, 2.5, 1.5]}, {"dominance"}),
        ({"contact": "jo@example.org"}, {"identifiers"}),
    ],
    ids=called,
)
def test_json_is_pointed_out_as_a_table_would_be(value: object, checks: set[str]) -> None:
    assert flagged(value) == checks


@pytest.mark.parametrize(
    "value",
    [
        {"n": 400, "mean": 2.5, "year": 1991},
        {"n": 10, "people": 0},
        {"mean_age": {"f": 3, "m": 4}, "median": {"f": 3}},
        {"seed": 3, "alpha": 0.05, "df": 4, "iterations": 7},
        [{"children": 0, "mean": 1.5}, {"children": 1, "mean": 2.5}, {"children": 2, "mean": 2.0}],
        {"years": [1980, 1981, 1982], "mean": [1.5, 2.5, 3.5]},
        {"edges": [0, 3, 6, 9], "counts": [40, 50]},
        {"region": {"north": 400, "south": 30}, "method": "ordinary least squares"},
        {"labels": ["0 to 5 years", "6 to 9 years", "65 years and older"]},
        {"width": 2.0, "identity_share": 0.3},
        {str(year): 1.5 for year in range(60)},
    ],
    ids=called,
)
def test_harmless_json_is_left_alone(value: object) -> None:
    assert flagged(value) == set()


@pytest.mark.parametrize(
    ("text", "checks"),
    [
        (SAID, {"small counts", "identifiers"}),
        ("Only two patients had a stroke.", {"small counts"}),
        ("North (n = 3), South (n = 40)", {"small counts"}),
        ("No. Observations:                    3   AIC:   12.5\n", {"small counts"}),
        (DRAWN, {"small counts"}),
        ("north      3\nsouth    400\nName: count, dtype: int64\n", {"small counts"}),
        ("| region | rich |\n|---|---|\n| north | 3 |\n| south | 40 |\n", {"small counts"}),
        ("region,rich\nnorth,3\nsouth,40\n", {"small counts"}),
        ("person  income\n4711    71234.5\n4712    1000.5\n", {"identifiers"}),
        ("The oldest (patient 17) is 97 years old.", {"identifiers"}),
        ("Write to jo@example.org.", {"identifiers"}),
        ("a line\n" * 1_001, {"rows"}),
    ],
    ids=called,
)
def test_texts_are_pointed_out_as_a_table_would_be(text: str, checks: set[str]) -> None:
    assert flagged(text, "txt") == checks


@pytest.mark.parametrize(
    "text",
    [
        "North: 300 people. The mean income is 25000.",
        "Groups of fewer than 5 people are left out; at least 3 cases were needed.",
        "Figure 3 shows the years 1980 to 1985. Step 2 of 4.",
        "No. Observations:    400   AIC:   12.5\nDf Residuals:   398   BIC:   13.5\nDf Model:   1\n",
        "region  mean\nnorth   10.5\nsouth   12.5\n",
        "The model explains 5 percent (p = 0.03, 3 degrees of freedom).",
        "Cond. No.   5.25\n",
    ],
    ids=called,
)
def test_harmless_texts_are_left_alone(text: str) -> None:
    assert flagged(text, "txt") == set()


def test_names_with_an_extreme_are_told_as_such() -> None:
    file = OutputFile(name="a.txt", type="txt", bytes=100, sha256="0" * 64)
    found = disclosure_checks.check(value_facts.of_text(SAID), file=file, threshold=THRESHOLD)
    texts = {one["name"]: str(one["text"]) for one in found}
    assert texts["identifiers"] == "May identify people: “person 4711” with an extreme value."
    assert "“3 people earn more”" in texts["small counts"]


@pytest.mark.sandbox
def test_cells_and_rows_of_tables_are_judged_alike(tmp_path: Path) -> None:
    def of(content: str) -> set[str]:
        path = tmp_path / "t.csv"
        path.write_text(content)
        file = OutputFile(name="t.csv", type="csv", bytes=100, sha256="0" * 64)
        found = disclosure_checks.check(
            previews.facts(path, "csv"), file=file, threshold=THRESHOLD, subjects=["person"]
        )
        return {str(one["name"]) for one in found if not one["ok"]}

    assert "small counts" in of("index,income\ncount,3.0\nmean,25000.5\nmax,30000.0\n")
    assert of(f'what,text\nresult,"{SAID}"\n') == {"small counts", "identifiers", "content"}
    assert of("region,rich\nnorth,3\nsouth,40\n") == {"small counts"}
    assert of("region,rich\nnorth,1\n") == {"small counts"}
    assert "small counts" not in of("index,income\ncount,300.0\nmean,3.5\nmax,30000.0\n")
    assert of("region,mean\nnorth,2.5\nsouth,3.5\n") == set()


@pytest.mark.parametrize(
    "text",
    ["a" * 10**6, "1" * 10**6, "1," * 500_000, " " * 10**6, "a " * 500_000, "a@" * 500_000],
    ids=called,
)
def test_long_texts_are_no_trouble(text: str) -> None:
    assert value_facts.of_text(text)["kind"] == "text"
    assert json.dumps(value_facts.of_json([text, text]))
