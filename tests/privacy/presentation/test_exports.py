"""Exported files: no cell is a formula, wherever a stranger's words may appear."""

import csv
import io

from privacy.models import Answer
from privacy.presentation.exports import answer_csv

FORMULA = '=HYPERLINK("http://example.org")'


def test_names_that_a_scientist_chose_are_text_in_a_spreadsheet_in_the_head_too():
    figures = [{"name": FORMULA, "value": -1.5, "half_width": 0.25}]
    result = {"by": ["+region"], "lines": [{"key": ["@east"], "figures": figures}]}
    head, line = csv.reader(io.StringIO(answer_csv(Answer(result=result))))
    assert head == ["'+region", f"'{FORMULA}", f"'{FORMULA}_half_width_95"]
    assert line == ["'@east", "-1.5", "0.25"]


def test_half_widths_have_no_digits_of_arithmetic():
    figures = [{"name": "count", "value": 12345.678901234567, "half_width": 29.999999999947605}]
    result = {"by": [], "lines": [{"key": [], "figures": figures}]}
    _, line = csv.reader(io.StringIO(answer_csv(Answer(result=result))))
    assert line == ["12345.678901234567", "30.0"]
