"""The verbs about datasets and revisions, through the real services on the real database."""

import pytest

from datasets import storage
from datasets.models import Dataset, Revision
from tests import make

pytestmark = pytest.mark.django_db


def test_a_dataset_is_published_with_its_schema_and_its_mock():
    dataset = make.dataset()
    revision = dataset.current
    assert dataset.state == Dataset.State.PUBLISHED
    assert (revision.number, revision.state) == (1, Revision.State.PUBLISHED)
    assert [column.name for column in revision.tables_declared[0].columns] == [
        "person",
        "year",
        "region",
        "wage",
    ]
    assert [path.name for path in storage.mock_folder(revision).iterdir()] == ["wages.parquet"]
    assert dataset.draft is None
