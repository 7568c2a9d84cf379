"""CSV that the portal writes contains no formula, whoever chose the words in it."""

import pytest

from common import spreadsheets


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        (" =1", "' =1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("-2", "-2"),
        (-2.5, "-2.5"),
        ("plain = text", "plain = text"),
        (None, ""),
    ],
)
def test_no_cell_is_a_formula(cell, written):
    assert spreadsheets.lines([[cell, "end"]]) == f"{written},end\r\n"
