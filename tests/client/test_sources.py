"""The program that is sent for review: exactly what its author wrote, and nothing that it does not name."""

import functools
import math as m
import os.path
from pathlib import Path
from statistics import mean as average
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from tests.client import refusals
from weir import NotOffered
from weir.sources import source_of

LIMIT = 5


def decorated(function):
    return function


def scaled(values, by=2):
    return np.asarray(values) * by


def again(values):
    return scaled(values, m.pi)


def plain():
    @decorated
    def main(wages: pd.DataFrame, year=1985, *, share=0.5):
        """Return the mean wage of a year."""
        chosen = wages[wages.year == year]

        def inner(column):
            return average(column) * share

        return {"mean": inner(chosen.wage), "t": scipy.stats.norm.ppf(0.975), "root": m.sqrt(year)}

    return main


def test_the_text_is_the_functions_own_with_the_imports_that_it_uses():
    found = source_of(plain())
    assert found.text.startswith(
        "import math as m\nimport pandas as pd\nimport scipy\nimport scipy.stats\n"
        "from statistics import mean as average\n\n\ndef main(wages: pd.DataFrame, year=1985, *, share=0.5):\n"
    )
    assert found.text.endswith('"root": m.sqrt(year)}\n')
    assert "@decorated" not in found.text
    assert (found.tables, found.parameters) == (("wages",), {"year": 1985, "share": 0.5})
    compile(found.text, "main.py", "exec")


def test_helpers_go_along_with_their_own_imports():
    def main(wages):
        return again(wages.wage)

    with pytest.raises(
        NotOffered, match=r"“again” \(line \d+\) is defined outside of main. Pass it along: helpers=\[again\]"
    ):
        source_of(main)
    with pytest.raises(NotOffered, match=r"“scaled” .* outside of again"):
        source_of(main, helpers=[again])
    found = source_of(main, helpers=[scaled, again])
    assert found.text.index("def scaled") < found.text.index("def again") < found.text.index("def main")
    assert found.text.startswith("import math as m\nimport numpy as np\n")
    scope: dict[str, Any] = {}
    exec(compile(found.text, "main.py", "exec"), scope)  # noqa: S102 -- our own text
    assert scope["main"](pd.DataFrame({"wage": [1.0]})).tolist() == [m.pi]


def uses_a_constant():
    def main(wages):
        return wages[wages.wage > LIMIT]

    return main


def uses_its_surroundings():
    limit = 5

    def main(wages):
        return wages[wages.wage > limit]

    return main


def uses_an_unknown_name():
    def main(wages):
        return unknown(wages)  # type: ignore[name-defined]  # noqa: F821 -- on purpose

    return main


def uses_a_module_of_its_own():
    def main(wages):
        return refusals.REFUSED

    return main


def generates():
    def main(wages):
        yield wages

    return main


def coroutine():
    async def main(wages):
        return wages

    return main


def starred():
    def main(*tables):
        return tables

    return main


def otherwise_named():
    def analysis(wages):
        return wages

    return analysis


class Model:
    def main(self):
        return 1


def typed():
    scope: dict[str, Any] = {}
    exec("def main(wages):\n    return 1", scope)  # noqa: S102 -- stands for a bare prompt
    return scope["main"]


@pytest.mark.parametrize(
    ("made", "instead"),
    [
        (uses_a_constant, "“LIMIT” \\(line \\d+\\) is defined outside of main. Make it a parameter"),
        (uses_its_surroundings, "uses limit of the function around it. Make it a parameter"),
        (uses_an_unknown_name, "“unknown” \\(line \\d+\\) is not defined anywhere"),
        (uses_a_module_of_its_own, "a module of your own .* helpers"),
        (generates, "returns its result"),
        (coroutine, "returns its result"),
        (starred, "one by one"),
        (otherwise_named, "Call the function main"),
        (lambda: lambda wages: wages, "Write a function with def"),
        (lambda: Model.main, "outside of classes"),
        (lambda: Model().main, "written with def"),
        (lambda: Model, "written with def"),
        (lambda: len, "written with def"),
        (lambda: functools.partial(scaled, by=3), "written with def"),
        (typed, "to a file, or use a notebook"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_way_to_send_it(made, instead):
    with pytest.raises(NotOffered, match=instead):
        source_of(made())


def test_the_line_in_a_refusal_is_the_line_in_the_file():
    with pytest.raises(NotOffered) as refused:
        source_of(uses_a_constant())
    number = int(str(refused.value).split("(line ")[1].split(")")[0])
    assert "LIMIT" in Path(__file__).read_text().splitlines()[number - 1]


def test_comprehensions_and_builtins_are_no_outside_names():
    def main(wages, n=3):
        return [os.path.basename(each) for each in sorted(wages) if len(each) > n]  # noqa: PTH119

    assert source_of(main).text.startswith("import os\nimport os.path\n")
