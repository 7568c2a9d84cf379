"""The examples of the client's docstrings and of its README, with nothing but the client: for any Python that has it.

`python -I examples.py README` runs them all, then asks the portal of WEIR_PORTAL a question, and prints what came out.
"""

import doctest
import importlib
import json
import pkgutil
import platform
import sys

import weir

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(weir.__path__, "weir.")
    if not module.name.endswith("__main__")
)


def of_module(name: str) -> doctest.TestResults:
    return doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)


def of_readme(path: str) -> doctest.TestResults:
    return doctest.testfile(path, module_relative=False, optionflags=doctest.ELLIPSIS)


def answered() -> float:
    """How many people there are, by the portal, with noise."""
    with weir.login(quiet=True) as portal:
        table = portal.datasets["wages"].tables["wages"]
        return float(table.count_people().release(share=0.5))


def main(readme: str) -> None:
    results = [*map(of_module, ["weir", *MODULES]), of_readme(readme)]
    found = {
        "python": platform.python_version(),
        "from": weir.__file__,
        "attempted": sum(each.attempted for each in results),
        "failed": sum(each.failed for each in results),
        "people": answered(),
    }
    sys.stdout.write(f"\n{json.dumps(found)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
