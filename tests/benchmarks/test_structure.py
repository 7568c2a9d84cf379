"""The script that measures the layout of the code, on a small tree whose figures are known."""

import ast
from pathlib import Path

from benchmarks.structure import Checkout, circles, complexity, length, table

SHOP = {
    "shop/__init__.py": "",
    "shop/sales.py": "from shop import prices\nfrom till.drawer import Drawer\n",
    "shop/prices.py": "def price(item):\n    from shop.sales import sell\n    return sell if item else 0\n",
    "shop/migrations/0001_initial.py": "from shop import sales\n",
    "till/__init__.py": "",
    "till/drawer.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop import sales\n",
    "tests/__init__.py": "from shop import sales\n",
}


def written(root: Path, files: dict[str, str]) -> Checkout:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Checkout.read(root)


def test_arrows_are_imports_of_ours_but_for_types_migrations_and_tests(tmp_path: Path):
    assert written(tmp_path, SHOP).arrows == {
        ("shop.sales", "shop.prices"),
        ("shop.sales", "till.drawer"),
        ("shop.prices", "shop.sales"),
    }


def test_circles_are_found_once_and_with_all_their_modules():
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("e", "f"), ("f", "e")]) == [
        ["a", "b", "c"],
        ["e", "f"],
    ]
    assert circles([("a", "b"), ("b", "c"), ("a", "c")]) == []


def test_length_and_complexity_count_a_function_without_those_inside_it():
    outer = ast.parse(
        "def outer(items):\n"
        "    def inner(item):\n"
        "        return 1 if item else 0\n"
        "    for item in items:\n"
        "        if item and inner(item) or not item:\n"
        "            return [each for each in items if each]\n"
    ).body[0]
    assert isinstance(outer, ast.FunctionDef)
    assert (length(outer), complexity(outer)) == (6, 1 + 1 + 1 + 2 + 2)


def test_two_checkouts_are_set_side_by_side(tmp_path: Path):
    before = written(tmp_path / "before", SHOP)
    after = written(tmp_path / "after", {**SHOP, "shop/prices.py": "", "shop/parts/__init__.py": ""})
    shop = "| shop | 3 → 4 | 1 → 2 | 2 (shop) | 2 / 2 → 3 / 1 | 2 → 1 | 1 | 2 → 0 | 1 → 0 |"
    assert list(table([before, after]))[2:] == [
        f"{shop} 3 / 3 / 3 → – | 2 / 2 / 2 → – |",
        "| till | 2 | 1 | 1 (till) | 1 / 0 | 0 | 0 | 0 | 0 | – | – |",
        "| all | 5 → 6 | 2 → 3 | 2 (shop) | 2 / 1 | 3 → 2 | 0 | 2 → 0 | 1 → 0 | 3 / 3 / 3 → – | 2 / 2 / 2 → – |",
    ]
