"""Check the coverage of a test run against the floors in tests/coverage.toml. The last step of bin/test.

Modules listed there as complete must have every line and branch covered. All modules count towards their package.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from itertools import groupby
from typing import Any

from portal.launch.console import say
from portal.launch.install import PYTHON, ROOT

FLOORS = ROOT / "tests" / "coverage.toml"
Module = Mapping[str, Any]
"""One file of coverage's JSON report."""


def main() -> int:
    command = [str(PYTHON), "-m", "coverage", "json", "-o", "-"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        say(f"Coverage: failed. The tests left no data. {done.stdout.strip()}")
        return 1
    return judge(json.loads(done.stdout)["files"], tomllib.loads(FLOORS.read_text()))


def judge(modules: Mapping[str, Module], rules: Mapping[str, Any]) -> int:
    for line in table(modules, rules["floors"]):
        say(line)
    wrong = [*incomplete(modules, rules), *below(modules, rules["floors"])]
    for line in wrong:
        say(line)
    say(f"Coverage: {'failed' if wrong else 'passed'}")
    return 1 if wrong else 0


def table(modules: Mapping[str, Module], floors: Mapping[str, float]) -> Iterator[str]:
    yield f"{'package':14} covered  floor"
    for package, share in packages(modules).items():
        yield f"{package:14} {share:5.1f} %  {floors.get(package, 100):4} %"


def packages(modules: Mapping[str, Module]) -> dict[str, float]:
    names = sorted({path.partition("/")[0] for path in modules})
    return {
        name: percent(each for path, each in modules.items() if path.startswith(f"{name}/")) for name in names
    }


def below(modules: Mapping[str, Module], floors: Mapping[str, float]) -> Iterator[str]:
    """Yield a line for each package below its floor. Without a floor it must be covered completely."""
    for package, share in packages(modules).items():
        if share < floors.get(package, 100):
            yield f"{package}: {share:.1f} % is covered; its floor is {floors.get(package, 100)} %."
    for package in sorted(set(floors) - set(packages(modules))):
        yield f"{package} has a floor in tests/coverage.toml, but nothing of it was measured."


def incomplete(modules: Mapping[str, Module], rules: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each module that must be complete and is not."""
    named: set[str] = set()
    for pattern in rules["complete"]:
        found = {path for path in modules if fnmatch(path, pattern)}
        if not found:
            yield f"No module matches {pattern!r}. Correct the list in tests/coverage.toml."
        named |= found
    for path in sorted(named):
        if percent([modules[path]]) < 100:
            yield f"{path}: {left_over(modules[path])}"


def left_over(module: Module) -> str:
    lines = ", ".join(_runs(module["missing_lines"]))
    branches = ", ".join(
        f"{first}→{'end' if last < 0 else last}"
        for first, last in module["missing_branches"]
        if first not in module["missing_lines"] and last not in module["missing_lines"]
    )
    parts = [f"lines {lines}" if lines else "", f"branches {branches}" if branches else ""]
    return "not covered: " + "; ".join(part for part in parts if part)


def _runs(lines: Sequence[int]) -> Iterator[str]:
    """Yield line numbers, consecutive ones as "first-last"."""
    for _, group in groupby(enumerate(lines), key=lambda pair: pair[1] - pair[0]):
        row = [line for _, line in group]
        yield str(row[0]) if len(row) == 1 else f"{row[0]}-{row[-1]}"


def percent(modules: Iterable[Module]) -> float:
    """Return the covered percentage of lines and branches together, as coverage counts them."""
    sums = [each["summary"] for each in modules]
    covered = sum(each["covered_lines"] + each["covered_branches"] for each in sums)
    all_of_it = sum(each["num_statements"] + each["num_branches"] for each in sums)
    return 100 * covered / all_of_it if all_of_it else 100.0


if __name__ == "__main__":
    sys.exit(main())
