"""The code that a new request begins with, in the API."""

import pytest

from tests import make
from tests.makers.datasets import SECRET_WAGE
from tests.rest import bearer, problem

pytestmark = pytest.mark.django_db


def test_everybody_who_sees_a_dataset_reads_its_template(client):
    dataset = make.dataset()
    scientist = make.scientist()
    path = f"/api/v1/datasets/{dataset.pk}/template/"
    found = client.get(path, headers=bearer(scientist)).json()
    assert found["revision"]["number"] == 1
    assert found["code"].startswith("def main(wages):\n")
    assert str(SECRET_WAGE) not in found["code"]
    compile(found["code"], "main.py", "exec")
    problem(client.get(path, headers=bearer(scientist, "work")), 403, "token_scope")
    other = bearer(scientist, dataset_ids=[make.dataset().pk])
    problem(client.get(path, headers=other), 404, "not_found")


def test_there_is_no_template_of_what_is_hidden_or_not_published(client):
    draft = make.dataset(published=False)
    path = f"/api/v1/datasets/{draft.pk}/template/"
    problem(client.get(path, headers=bearer(draft.owner)), 409, "conflict")
    problem(client.get(path, headers=bearer(make.scientist())), 404, "not_found")
