"""Hints about code: what is worth a look is found, and ordinary code is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from requests_app.code import findings
from requests_app.code.findings import Finding, find

TABLES = {"wages": ["person", "year", "wage"], "people": ["person", "born"]}
ORDINARY = '''\
"""Mean wage by year."""
import numpy as np
import pandas as pd


def main(wages, people, smallest=10):
    wages["log_wage"] = np.log(wages["wage"])
    both = wages.merge(people, on="person")
    by_year = both.groupby("year")["log_wage"].agg(["count", "mean"]).reset_index()
    by_year = by_year[by_year["count"] >= smallest]
    print(len(wages), wages["wage"].mean())
    return {"people": int(wages["person"].nunique()), "by_year": by_year}
'''


def codes(code: str, parameters: tuple[str, ...] | None = ()) -> list[tuple[int, str, str]]:
    return [(hint.line, hint.level, hint.code) for hint in find(code, TABLES, parameters)]


def test_ordinary_code_gives_no_hint():
    assert find(ORDINARY, TABLES, ()) == []


def test_a_script_that_writes_by_itself_gives_no_hint():
    code = (
        "import os\nimport pandas as pd\n"
        "wages = pd.read_parquet(os.environ['WEIR_DATA'] + '/wages.parquet')\n"
        "wages.groupby('year')['wage'].mean().to_csv(os.environ['WEIR_OUT'] + '/means.csv')\n"
    )
    assert find(code, TABLES, ()) == []


def test_imports_of_packages_that_the_environment_does_not_have_are_found():
    code = (
        "import seaborn as sns, numpy\n"
        "from sklearn.linear_model import Ridge\n"
        "import os.path, json\n"
        "from plotnine import ggplot\n"
        "from . import other\n"
        "try:\n    import duckdb\nexcept ImportError:\n    duckdb = None\n"
        "import socket\n"
        "def main(wages):\n    import geopandas\n    return 1\n"
    )
    found = find(code, TABLES, (), {"numpy", "sklearn"})
    assert [(hint.line, hint.level) for hint in found if hint.code == "package"] == [
        (1, "error"),
        (4, "error"),
        (12, "error"),
    ]
    assert "no package seaborn" in found[0].text
    assert [hint.code for hint in find(code, TABLES, ())] == ["network"]


@pytest.mark.parametrize(
    ("line", "level", "code"),
    [
        ("import socket", "warning", "network"),
        ("from urllib.request import urlopen", "warning", "network"),
        ("pd.read_csv('https://example.org/x.csv')", "warning", "network"),
        ("import subprocess as s", "warning", "subprocess"),
        ("os.system('ls')", "warning", "subprocess"),
        ("import ctypes.util", "warning", "native"),
        ("from pickle import loads", "warning", "pickle"),
        ("eval('1')", "warning", "dynamic"),
        ("exec(code)", "warning", "dynamic"),
        ("__import__('os')", "warning", "dynamic"),
        ("import importlib", "warning", "dynamic"),
        ("getattr(x, name)", "info", "dynamic"),
        ("().__class__.__bases__", "warning", "internals"),
        ("import base64", "info", "encoding"),
        ("import multiprocessing", "info", "parallel"),
        ("open('/etc/passwd')", "warning", "path"),
        ("open('~/.ssh/id_rsa')", "warning", "path"),
        ("pd.read_csv('../x.csv')", "warning", "path"),
        ("df.to_pickle('x')", "error", "type"),
        ("df.to_html('x')", "error", "type"),
        ("df.to_excel('x')", "error", "type"),
        ("while True: pass", "info", "endless"),
        ("x = 'a\u202eb'", "warning", "hidden"),
        ("p\u0430ge = 1", "info", "letters"),
        ("pa\u034fge = 1", "warning", "hidden"),
        ("pa\u180bge = 1", "warning", "hidden"),
        ("pa\u180dge = 1", "warning", "hidden"),
        ("pa\U000e0101ge = 1", "warning", "hidden"),
        ("x = 'a\u3164b'", "warning", "hidden"),
        ("x = 1\u00a0", "warning", "hidden"),
        ("\uff50age = 1", "warning", "twin"),
        ("pag\u1d49 = 1", "warning", "twin"),
        ("x = f'{\uff50age}'", "warning", "twin"),
        ("pd.read_parquet('/data/others.parquet')", "warning", "table"),
        ("wages['salary']", "warning", "column"),
        ("wages[['wage', 'salary']]", "warning", "column"),
        ("wages.groupby('salary')", "warning", "column"),
        ("print(wages)", "warning", "rows"),
        ("print(wages[wages.wage > 3].head())", "warning", "rows"),
        ("wages.to_csv('/out/x.csv')", "warning", "rows"),
        ("wages[['wage']].head().to_json('/out/x.json')", "warning", "rows"),
        ("return wages", "warning", "rows"),
        ("return {'a': wages['wage'].tolist()}", "warning", "rows"),
        ("return wages.iloc[0]", "warning", "rows"),
    ],
)
def test_each_hint_stands_at_its_line(line, level, code):
    text = f"def main(wages):\n    x = 1\n    {line}\n    return 1\n"
    assert (3, level, code) in codes(text)


@pytest.mark.parametrize(
    "line",
    [
        "print(wages.describe().loc['mean'])",
        "open('/out/x.txt', 'w')",
        "open('/data/wages.parquet', 'rb')",
        "pd.read_parquet('/data/wages.parquet')",
        "wages.groupby('year').size().to_csv('/out/x.csv')",
        "while True: break",
        "wages['new'] = 1; wages['new'].mean()",
        "x.__name__",
    ],
)
def test_these_lines_give_no_hint(line):
    assert codes(f"def main(wages):\n    x = 1\n    {line}\n    return 1\n") == []


def test_rows_are_followed_through_names():
    code = "def main(wages):\n    part = wages[wages['year'] > 1980]\n    part = part.dropna()\n    return part\n"
    assert codes(code) == [(4, "warning", "rows")]
    code = "def main(wages):\n    part = wages.dropna()\n    part = part.groupby('year').mean()\n    return part\n"
    assert codes(code) == []


@pytest.mark.parametrize(
    ("code", "unused"),
    [
        ("def main(wages, cutoff):\n    return 1\n", ["extra"]),
        ("def main(wages, *, extra=2):\n    return 1\n", ["cutoff"]),
        ("def main(**given):\n    return 1\n", []),
        ("import os\ndef main(wages):\n    return os.environ['WEIR_PARAMETERS']\n", []),
    ],
    ids=range(4),
)
def test_a_parameter_that_main_does_not_take_has_no_effect(code, unused):
    found = [each.text for each in find(code, TABLES, ("cutoff", "extra")) if each.code == "parameter"]
    assert found == [f"main() does not take {name}: the parameter has no effect." for name in unused]


def test_main_has_to_ask_for_what_is_declared():
    code = "def main(wages, salaries, cutoff, optional=3, *, extra, given=1):\n    return 1\n"
    assert codes(code, ("cutoff", "extra")) == [(1, "error", "argument")]
    assert find(code, TABLES, ("cutoff", "extra")) == [
        Finding(
            1,
            "error",
            "argument",
            "main() asks for salaries, which is neither a declared table nor a parameter.",
        )
    ]
    assert codes("def main(wages, /):\n    return 1\n") == [(1, "error", "argument")]


def test_without_knowing_the_parameters_it_is_no_error():
    assert codes("def main(wages, cutoff):\n    return 1\n", None) == [(1, "info", "argument")]


def test_code_without_an_answer():
    assert codes("x = 1\n") == [(1, "warning", "no-output")]
    assert codes("y = 1\ndef main(wages):\n    return\n") == [(2, "warning", "no-output")]
    assert codes("open('/out/x.txt', 'w').write('x')\n") == []


def test_code_that_cannot_be_read():
    assert find("def main(:\n  pass", {}) == [
        Finding(1, "error", "syntax", "Python cannot read this: invalid syntax.")
    ]
    assert find("x = 1\n  y = 2", {}) == [
        Finding(2, "error", "syntax", "Python cannot read this: unexpected indent.")
    ]
    assert find(" \n", {}) == [Finding(1, "error", "empty", "There is no code yet.")]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("#" * 200_001, "size"),
        ("x = " + "(" * 250 + ")" * 250, "syntax"),
        ("x = " + "[" * 90 + "]" * 90, "nesting"),
        ("x = " + "-" * 100_000 + "1", "syntax"),
        ("x = 1" + " + 1" * 40_000, "syntax"),
        ("x = 1\x00", "syntax"),
        ("x = '\ud800'", "syntax"),
    ],
)
def test_code_made_to_break_the_reader(code, kind):
    assert (1, "error", kind) in codes(code)


def test_code_that_is_too_dense_is_not_looked_at_in_full():
    assert codes("a=1;" * 20_000) == [(1, "warning", "size")]


def test_the_number_of_hints_is_limited():
    assert len(find("eval('1')\n" * 1_000, {})) == findings.MAX_FINDINGS


@given(st.text(max_size=120) | st.text(alphabet="def main(wages):\n  return[]{}=.'\"\\x1", max_size=120))
def test_nothing_raises_whatever_is_written(code):
    for hint in find(code, TABLES):
        assert hint.level in {"error", "warning", "info"}
        assert hint.line >= 1
        assert hint.text.endswith(".")
