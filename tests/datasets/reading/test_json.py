"""JSON in the forms in which programs write tables."""

import pytest

from tests.datasets.reading.test_kinds import column, read

CASES = {
    "by columns": (b'{"id": {"0": 1, "1": 2}, "x": {"0": 1.5, "1": null}}', column(1.5, None)),
    "by rows with labels": (b'{"0": {"id": 1, "x": 1.5}, "1": {"id": 2, "x": null}}', column(1.5, None)),
    "of lists": (b'{"id": [1, 2], "x": [1.5, null]}', column(1.5, None)),
    "split": (b'{"columns": ["id", "x"], "index": [5, 6], "data": [[1, 1.5], [2, null]]}', column(1.5, None)),
    "of records in a field": (
        b'{"n": 2, "data": [{"id": 1, "x": 1.5}, {"id": 2, "x": 2}]}',
        column(1.5, 2.0),
    ),
    "of one record": (b'{"id": 1, "x": 1.5}', column(1.5)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_table_is_found(tmp_path, case):
    content, expected = CASES[case]
    assert read(tmp_path, content)[1] == expected
