"""Cards for notebooks: what they show, and that text of others stays text."""

import re

import pytest

from weir import cards
from weir.ownership import PrivateTable
from weir.prices import Price
from weir.releases import Output, Preview
from weir.sources import Source
from weir.submissions import About, Submission
from weir.versions import Comment, Version

PRICE = {"half_width_95": None, "epsilon": 0.3, "share": 0.05, "share_left": 0.9, "more_like_this": 18}
FIGURE = {"key": [], "name": "mean", "released": 18, "half_width_95": 1.5}


def price(**more):
    return Price("mean of pay", {**PRICE, **more})


def tried(*figures):
    return {"rows": 55, "tries": 20, "figures": list(figures)}


def cells(card):
    """The cells of a card's tables, a list for each row."""
    return [re.findall(r"<t[hd] [^>]*>(.*?)</t[hd]>", row) for row in card.split("<tr>")[1:]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026-11-30T04:51:11.199436Z", "2026-11-30 04:51 UTC"),
        ("2026-11-30T04:51:11+00:00", "2026-11-30 04:51 UTC"),
        ("2026-11-30T04:51:11+02:00", "2026-11-30T04:51:11+02:00"),
        (1.6408068981554913, "1.641"),
        (True, "yes"),
        (3, "3"),
        ({"id": "1", "name": "Ada"}, "Ada"),
        ({"id": "1", "name": "wages", "title": "Wages"}, "Wages"),
        ({"since": 1985, "words": "all"}, "since = 1985, words = 'all'"),
        ("x" * 900, "x" * 200),
    ],
)
def test_values_are_shown_for_people(value, shown):
    assert cards.brief(value) == shown


def test_facts_have_no_head_and_plain_names():
    card = cards.facts("A title", [("created_at", "2026-11-30T04:51:11Z"), ("owner", "<b>Ada</b>")])
    assert cells(card) == [["created at", "2026-11-30 04:51 UTC"], ["owner", "&lt;b&gt;Ada&lt;/b&gt;"]]
    assert "<th" not in card
    assert "<table" not in cards.facts("A title", [])


def test_a_table_leaves_out_empty_columns_and_what_is_too_much():
    assert cells(cards.table(("a", "b", "c"), [(1, "", 2), (3, "", 4)])) == [
        ["a", "c"],
        ["1", "2"],
        ["3", "4"],
    ]
    long = cards.table(("n",), [(n,) for n in range(100)])
    assert len(cells(long)) == 61
    assert "40 more" in long
    assert len(cells(cards.table(("n",), [(n,) for n in range(100)], most=100))) == 101
    assert cells(cards.table(("a", "b"), [])) == [["a", "b"]]


def test_code_has_numbers_and_no_hidden_characters():
    shown = cards.code('x = 1\r\n\ty = "\u202e<b>\u200b"\n\x0cz = 2\n')
    assert shown.split(">", 1)[1].split("</pre>")[0].splitlines() == [
        "   1  x = 1⟨U+000D⟩",
        "   2  \ty = &quot;⟨U+202E⟩&lt;b&gt;⟨U+200B⟩&quot;",
        "   3  ⟨U+000C⟩z = 2",
    ]
    assert "and 100 more lines" in cards.code("pass\n" * 600)


def test_a_price_says_how_the_question_came_out_on_the_mock_data():
    assert dict(price(on_mock=tried(FIGURE)).facts)["on the mock data"] == "± 1.5 in 18 of 20 tries"
    lost = {**FIGURE, "released": 0, "half_width_95": None}
    assert dict(price(on_mock=tried(lost)).facts)["on the mock data"] == "lost in noise"
    groups = price(on_mock=tried({**FIGURE, "key": ["east"]}, {**lost, "key": ["west"]}))
    assert dict(groups.facts)["on the mock data, east"] == "± 1.5 in 18 of 20 tries"
    assert "on the mock data, west: lost in noise" in repr(groups)
    fit = price(on_mock=tried(FIGURE, {**FIGURE, "name": "educ", "half_width_95": None}))
    assert dict(fit.facts)["on the mock data, educ"] == "in 18 of 20 tries"
    assert dict(price(on_mock=tried()).facts)["on the mock data"] == "too few rows to try it"
    assert not [name for name, _ in price(half_width_95=0.5, on_mock=None).facts if "mock" in name]


def test_a_price_beyond_the_budget_is_readable():
    card = price(share=322.2693, unaffordable="It costs too much.")._repr_html_()
    assert ["share of the budget", "322 times the budget"] in cells(card)
    assert "<div>It costs too much.</div>" in card


def test_a_preview_shows_all_of_the_part_that_counts_as_seen():
    content = {
        "columns": [{"name": "region", "type": "text"}, {"name": {"text": "long", "characters": 900}, "type": "text"}],
        "rows": [["<i>", None], *([n, True] for n in range(99))],
        "total_rows": 700, "total_columns": 2, "page_rows": 100, "page_columns": 100,
    }  # fmt: skip
    card = Preview("table", content)._repr_html_()
    assert len(cells(card)) == 101
    assert cells(card)[:2] == [["region", "long… (900 characters)"], ["&lt;i&gt;", ""]]
    assert "700 rows and 2 columns. 100 rows are a page: preview(rows=2) has the second one." in card


def test_a_preview_of_text_and_pictures():
    text = {"text": '{\n  "n": "<3"\n}', "characters": 14, "part": 1, "parts": 2}
    card = Preview("json", text)._repr_html_()
    assert "{\n  &quot;n&quot;: &quot;&lt;3&quot;\n}</pre>" in card
    assert "Part 1 of 2. See another one: preview(part=2)." in card
    assert "Part" not in Preview("text", {**text, "parts": 1})._repr_html_()
    image = Preview("image", {"png_base64": 'aGk="><script>', "part": 0, "parts": 1})._repr_html_()
    assert 'src="data:image/png;base64,aGk=&quot;&gt;&lt;script&gt;"' in image
    assert "It is too large." in Preview("none", {"text": "It is too large."})._repr_html_()


def test_an_output_shows_its_checks_and_what_nobody_has_seen():
    checks = [
        {"name": "rows", "ok": True, "text": "4 rows."},
        {"name": "small counts", "ok": False, "text": "2 is small."},
    ]
    held = {"verdict": "pending", "checks": checks, "not_shown": ["rows 101–700"]}
    output = Output(None, {"id": "1", "name": "a.csv", "type": "csv", "bytes": 9, "check": held})
    card = output._repr_html_()
    assert cells(card)[2:] == [["✓", "rows", "4 rows."], ["!", "small counts", "2 is small."]]
    assert "Nobody has looked at: rows 101–700." in card
    assert "Nobody" not in Output(None, {**output.details, "check": None})._repr_html_()


def test_a_version_shows_its_code_and_the_verdicts():
    said = {"verdict": "request_changes", "comment": "Round it.", "reviewer": {"name": "Ada"}}
    details = {
        "id": "1", "number": 2, "request": {"id": "3", "title": "Means"}, "author": {"name": "Bo"},
        "code": "a = 1\nb = 2\n", "parameters": {"since": 1985},
        "reviews": [said, {**said, "verdict": "approve", "comment": "", "reviewer": None}], "mock_run": None,
    }  # fmt: skip
    version = Version(None, details)
    card = version._repr_html_()
    assert "   2  b = 2" in card
    assert ["parameters", "since = 1985"] in cells(card)
    assert "Ada: request changes. Round it." in card
    assert "A reviewer: approve. " in card
    assert version.mock_run is None
    assert Comment(None, {"id": "2", "text": "Why?", "author": None}).author == "a reviewer"


def test_a_private_table_shows_what_is_declared():
    column = {
        "name": "id", "type": "integer", "is_person": True, "lower": None, "upper": None, "categories": [], "unit": "",
        "confirmed": True, "misfits": None,
    }  # fmt: skip
    wage = {"name": "wage", "is_person": False, "lower": 0.0, "upper": 60.0, "unit": "$", "confirmed": False}
    region = {"name": "region", "type": "category", "is_person": False, "categories": ["east", "west"]}
    columns = [column, {**column, **wage, "misfits": {"outside": 3}}, {**column, **region}]
    card = PrivateTable(None, {"id": "1", "name": "panel", "rows": 1200, "columns": columns})._repr_html_()
    assert cells(card) == [
        ["column", "type", "bounds or values", "unit", "cells outside", "confirmed"],
        ["id", "the person", "", "", "", "yes"],
        ["wage", "integer", "0 to 60", "$", "3", "no"],
        ["region", "category", "east, west", "", "", "yes"],
    ]


def test_a_submission_shows_the_text_that_is_sent():
    sent = Submission(
        None, {"name": "wages"}, Source("def main(t):\n    return 1\n", ("t",), {"since": 1985}), About()
    )
    assert "   2      return 1" in sent._repr_html_()
    assert cells(sent._repr_html_()) == [["since", "1985"]]
