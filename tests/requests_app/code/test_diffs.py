"""Two versions side by side: every line once, in order, and coloured right."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from requests_app.code import diffs
from requests_app.code.diffs import Row

LINES = st.lists(st.sampled_from(["a = 1", "b = 2", "", "    return a", '"""', "# x < y"]), max_size=30)


def plain(line: str) -> str:
    return html.unescape(re.sub(r"</?(?:span|mark)[^>]*>", "", line))


def old_side(rows: list[Row]) -> list[tuple[int, str]]:
    return [(row.old_number, plain(row.old_html)) for row in rows if row.old_number is not None]


def new_side(rows: list[Row]) -> list[tuple[int, str]]:
    return [(row.new_number, plain(row.new_html)) for row in rows if row.new_number is not None]


def kinds(rows: list[Row]) -> list[str]:
    return [row.kind for row in rows]


def test_a_line_that_changed_has_its_difference_marked():
    rows = diffs.rows("a = 1\nmean = x.sum()\n", "a = 1\nmean = x.std()\n")
    assert kinds(rows) == ["same", "changed"]
    assert (rows[1].old_number, rows[1].new_number) == (2, 2)
    assert rows[1].old_html == 'mean <span class="o">=</span> x.s<mark>um</mark>()'
    assert rows[1].new_html == 'mean <span class="o">=</span> x.s<mark>td</mark>()'


def test_lines_that_came_and_went():
    rows = diffs.rows("a\nb\nc\nd", "a\nc\nd\ne")
    assert [(row.kind, row.old_number, row.new_number) for row in rows] == [
        ("same", 1, 1),
        ("removed", 2, None),
        ("same", 3, 2),
        ("same", 4, 3),
        ("added", None, 4),
    ]


OLD = """    label = "by union"
    means = means.reset_index()"""
NEW = """    label = "by union, since 1984"
    means = means.sort_values("mean")
    means = means.reset_index(drop=True)"""


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        (OLD, NEW, [("changed", 1, 1), ("added", None, 2), ("changed", 2, 3)]),
        (NEW, OLD, [("changed", 1, 1), ("removed", 2, None), ("changed", 3, 2)]),
        ("x = f(1)", "import os\nx = f(2)", [("added", None, 1), ("changed", 1, 2)]),
        ("alpha\nx = f(1)", "x = f(2)\nomega", [("removed", 1, None), ("changed", 2, 1), ("added", None, 2)]),
        ("alpha\nbeta", "gamma", [("changed", 1, 1), ("removed", 2, None)]),
    ],
    ids=["an added line between", "a removed line between", "before", "on both sides", "nothing alike"],
)
def test_a_changed_line_stands_beside_the_one_it_is_most_like(old, new, pairs):
    rows = diffs.rows(old, new)
    assert [(row.kind, row.old_number, row.new_number) for row in rows] == pairs


def test_large_changed_blocks_are_paired_in_their_order():
    old = [f"x{number} = f({number})" for number in range(30)]
    new = ["import os", *(f"x{number} = f({number}, 1)" for number in range(30))]
    rows = diffs.rows("\n".join(old), "\n".join(new))
    assert [(row.old_number, row.new_number) for row in rows][:2] == [(1, 1), (2, 2)]
    assert len(rows) == 31


def test_a_line_that_was_rewritten_is_not_marked_in_part():
    rows = diffs.rows("import pandas", "x = wages.groupby(1)")
    assert kinds(rows) == ["changed"]
    assert "<mark>" not in rows[0].old_html + rows[0].new_html


def test_first_versions_have_no_old_side():
    rows = diffs.rows(None, "a = 1\nb = 2")
    assert [(row.kind, row.old_number, row.new_number) for row in rows] == [
        ("same", None, 1),
        ("same", None, 2),
    ]


@given(LINES, LINES)
def test_both_sides_are_complete_and_in_order(old, new):
    rows = diffs.rows("\n".join(old), "\n".join(new))
    for side, lines in ((old_side(rows), old), (new_side(rows), new)):
        expected = list(enumerate(lines, start=1))
        while expected and expected[-1][1] == "" and len(expected) > len(side):
            expected.pop()  # an empty last line is the end of the line before
        assert side == (expected or [(1, "")][: len(side)])
    assert all(plain(row.old_html) == plain(row.new_html) for row in rows if row.kind == "same")


@given(LINES, LINES)
def test_one_column_holds_the_same_lines(old, new):
    rows = diffs.rows("\n".join(old), "\n".join(new))
    one = diffs.unified(rows)
    assert old_side(one) == old_side(rows)
    assert new_side(one) == new_side(rows)
    assert "changed" not in kinds(one)
    assert "added removed" not in " ".join(kinds(one))


def test_the_same_code_has_no_difference():
    assert set(kinds(diffs.rows("a\nb\n", "a\r\nb"))) == {"same"}


def test_long_unchanged_stretches_are_folded_with_context():
    old = [f"line{number}" for number in range(100)]
    new = [*old[:50], "new", *old[50:]]
    rows = diffs.folded(diffs.rows("\n".join(old), "\n".join(new)))
    assert [(row.kind, row.folded) for row in rows] == [
        ("fold", 47),
        *[("same", 0)] * 3,
        ("added", 0),
        *[("same", 0)] * 3,
        ("fold", 47),
    ]
    assert (rows[0].new_number, rows[-1].new_number) == (1, 55)


def test_short_stretches_are_not_folded_and_kept_lines_stay():
    old = [f"line{number}" for number in range(9)]
    rows = diffs.rows("\n".join(old), "\n".join(["new", *old]))
    assert [row.kind for row in diffs.folded(rows)] == ["added", *["same"] * 3, "fold"]
    assert [row.kind for row in diffs.folded(rows, keep=[8])] == ["added", *["same"] * 9]


def test_a_string_over_many_lines_is_a_string_on_each():
    lines = diffs.highlight('x = """a\ndef b():\n  \'c\'"""\ny = 1  # "d"')
    assert lines == [
        'x <span class="o">=</span> <span class="s">&quot;&quot;&quot;a</span>',
        '<span class="s">def b():</span>',
        '<span class="s">  &#x27;c&#x27;&quot;&quot;&quot;</span>',
        'y <span class="o">=</span> <span class="m">1</span>  <span class="c"># &quot;d&quot;</span>',
    ]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (
            "def f(): pass",
            '<span class="k">def</span> <span class="nf">f</span>(): <span class="k">pass</span>',
        ),
        ("class A: ...", '<span class="k">class</span> <span class="nc">A</span>: ...'),
        ("import os", '<span class="kn">import</span> os'),
        ("@cache", '<span class="nd">@cache</span>'),
        ("x = None", 'x <span class="o">=</span> <span class="kc">None</span>'),
        ("print(self)", '<span class="nb">print</span>(<span class="bp">self</span>)'),
        (
            r"'it\'s' r'\d'",
            r'<span class="s">&#x27;it\&#x27;s&#x27;</span> <span class="s">r&#x27;\d&#x27;</span>',
        ),
        (
            "0x1F 1e-3 .5j",
            '<span class="m">0x1F</span> <span class="m">1e-3</span> <span class="m">.5j</span>',
        ),
        ("'open", '<span class="s">&#x27;open</span>'),
    ],
)
def test_colours(code, shown):
    assert diffs.highlight(code) == [shown]


def test_nothing_of_the_code_is_markup():
    (line,) = diffs.highlight("x = '<script>' & \"</span>\"")
    assert "<script>" not in line
    assert plain(line) == "x = '<script>' & \"</span>\""


def test_characters_that_deceive_the_eye_are_spelled_out():
    (line,) = diffs.highlight("level = 'user\u202e\u2066# check'\u200b")
    spelled = re.findall(r'<span class="hidden-character">(U\+[0-9A-F]+)</span>', line)
    assert spelled == ["U+202E", "U+2066", "U+200B"]
    assert "\u202e" not in line


@given(st.text(max_size=80))
def test_highlighting_keeps_every_line(code):
    lines = diffs.highlight(code)
    text = code.replace("\r\n", "\n").replace("\r", "\n")
    assert len(lines) == max(1, len(text.removesuffix("\n").split("\n")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n" * 100_000, "x\n\n" * 50_000),
        ("\n".join("abc"[n % 3] for n in range(50_000)), "\n".join("abcd"[n % 4] for n in range(50_000))),
        ("\n".join(map(str, range(20_000))), "\n".join(map(str, reversed(range(20_000))))),
    ],
    ids=["blank", "repeated", "reversed"],
)
def test_no_pair_of_texts_takes_forever(old, new):
    rows = diffs.rows(old, new)
    assert len(old_side(rows)) == len(old.removesuffix("\n").split("\n"))
    assert len(new_side(rows)) == len(new.removesuffix("\n").split("\n"))


def test_a_few_changes_in_a_long_file_are_all_that_differs():
    old = [f"value_{number} = {number * number}" for number in range(2_000)]
    new = list(old)
    new[100] += "  # more"
    del new[900]
    new.insert(1500, "extra = 1")
    rows = diffs.rows("\n".join(old), "\n".join(new))
    assert sorted(row.kind for row in rows if row.kind != "same") == ["added", "changed", "removed"]


def applied(old: str, text: str) -> str:
    """Return the old text with a patch applied, by the numbers in the heads of its hunks."""
    lines, result, at = old.split("\n"), [], 0
    for line in text.splitlines():
        if line.startswith("@@"):
            first = int(line.split()[1].partition(",")[0][1:])
            result += lines[at : first - 1]
            at = max(first - 1, 0)
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            assert lines[at] == line[1:]
            at += 1
            result += [line[1:]] * line.startswith(" ")
    return "\n".join(result + lines[at:])


WORDS = st.lists(st.sampled_from(["a", "b", "c = 1", "    return"]), min_size=1, max_size=30).map("\n".join)


@given(WORDS, WORDS)
def test_a_patch_leads_from_the_old_to_the_new_text(old, new):
    found = diffs.patch(old, new)
    assert applied(old, found.text) == new
    signs = [line[0] for line in found.text.splitlines()]
    assert (found.added, found.removed) == (signs.count("+"), signs.count("-"))


def test_a_patch_has_the_changes_with_a_few_lines_around_them():
    old = "\n".join(map(str, range(1, 21)))
    assert diffs.patch(old, old) == diffs.Patch(added=0, removed=0, text="")
    found = diffs.patch(old, old.replace("\n10\n", "\nten\u202e\n"))
    assert found.text == ("@@ -7,7 +7,7 @@\n 7\n 8\n 9\n-10\n+ten\u27e8U+202E\u27e9\n 11\n 12\n 13\n")
