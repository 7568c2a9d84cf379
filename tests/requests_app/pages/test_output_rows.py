"""A reviewer can look at every row of a held table, five hundred at a time."""

import pytest
from django.urls import reverse

from requests_app.models import Output
from tests.makers import requests as lane

pytestmark = [pytest.mark.django_db, pytest.mark.sandbox]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("", 0, 499), ("?rows=3", 1000, 1249), ("?rows=2", 500, 999), ("?rows=x", 0, 499), ("?rows=-1", 0, 499)],
)
def test_rows_page_by_page(as_, asked, first, last):
    rows = b"".join(b"row%d\n" % number for number in range(1250))
    item = lane.code_request(at="ran", executor=lane.WritesOutputs({"t.csv": b"name\n" + rows}))
    output = Output.objects.get(run__request=item)
    page = as_(item.dataset.owner).get(reverse("requests:output", args=[output.pk]) + asked).content.decode()
    shown = [number for number in range(1250) if f"<td>row{number}</td>" in page]
    assert shown == list(range(first, last + 1))
    assert f"Rows {first + 1:,}–{last + 1:,} of 1,250" in page
