"""A small made-up table to try the client with, without a portal."""

from __future__ import annotations

from typing import Any

from weir.tables import Table

DECLARATIONS: dict[str, Any] = {
    "name": "wages",
    "person": "person",
    "rows_per_person": 8,
    "description": "Made-up wages of made-up people, up to eight years of each.",
    "columns": [
        {"name": "wage", "kind": "number", "bounds": [0, 60], "unit": "$", "decimals": 2},
        {"name": "education", "kind": "integer", "bounds": [0, 20], "constant": True, "nullable": False},
        {"name": "experience", "kind": "integer", "bounds": [0, 50], "nullable": False},
        {"name": "year", "kind": "integer", "bounds": [1980, 1987], "rows_per_value": 1, "nullable": False},
        {"name": "union", "kind": "boolean", "nullable": False},
        {
            "name": "region",
            "kind": "category",
            "values": ["north", "south", "east", "west"],
            "constant": True,
        },
        {"name": "born", "kind": "date", "bounds": ["1940-01-01", "1969-12-31"], "constant": True},
        {"name": "employer", "kind": "text"},
    ],
}
PEOPLE = 200


def table() -> Table:
    """Return the table, with mock rows.

    >>> table()
    Table: wages, with the columns wage, education, experience, year, union, region, born, employer
    """
    return Table.offline(DECLARATIONS, mock())


def mock() -> dict[str, Any]:
    """Return the mock rows: the same ones each time, made without random numbers."""
    import numpy as np  # noqa: PLC0415

    rows = [
        (person, year)
        for person in range(PEOPLE)
        for year in range(1980, 1988)
        if (person * 7 + year * 3) % 5
    ]
    person, year = (np.array(each) for each in zip(*rows, strict=True))
    education = 8 + person * 5 % 11
    wage = 4 + education * 1.3 + (person * 37 + year * 11) % 97 / 8
    missing = (person + year) % 17 == 0
    regions = np.array(["north", "south", "east", "west"])
    return {
        "person": person,
        "wage": np.where(missing, np.nan, wage.round(2)),
        "education": education,
        "experience": year - 1975 + person % 9,
        "year": year,
        "union": (person // 4 + year // 3) % 3 == 0,
        "region": regions[person % 4],
        "born": np.datetime64("1940-01-01") + (person * 53 % 10950).astype("timedelta64[D]"),
        "employer": np.array(["mill", "mine", "shop"])[person % 7 % 3],
    }
