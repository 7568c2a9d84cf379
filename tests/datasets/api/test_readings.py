"""Programs read how a file was read, and have it read in another way."""

from typing import Any

import pytest

from datasets import execution, storage
from datasets.models import Dataset, Upload
from tests import make
from tests.datasets import files
from tests.datasets.api.calls import ROOT, Caller
from tests.datasets.api.test_uploads import begin, send
from tests.rest import problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def dataset() -> Dataset:
    return make.dataset(published=False)


@pytest.fixture
def owner(dataset: Dataset) -> Caller:
    return Caller(dataset.owner, "read", "publish")


def test_a_file_is_read_in_another_way(owner: Caller, dataset: Dataset):
    content = b"id,dob,wage\n1,01/02/1980,-9\n2,03/04/1981,5\n"
    path = begin(owner, dataset, len(content))["Location"].removeprefix(ROOT)
    send(owner, ROOT + path, 0, content)
    execution.read_upload(Upload.objects.get().pk)
    found = owner.get(path).json()
    assert (found["can_reread"], found["can_retry"], found["reading"]["delimiter"]) == (True, False, ",")
    table, columns = found["table"], found["reading"]["columns"]
    assert [(each["column"], each["type"]) for each in columns] == [
        ("id", "int64"),
        ("dob", "string"),
        ("wage", "int64"),
    ]
    asked = {"missing": ["-9"], "columns": {"dob": {"name": "born", "format": "DD/MM/YYYY"}}}
    assert owner.post(f"{path}reread/", asked).json()["state"] == "reading"
    execution.read_upload(Upload.objects.get().pk)
    found = owner.get(path).json()
    assert (found["state"], found["table"], found["reading"]["missing"]) == ("done", table, ["-9"])
    read = owner.get(f"tables/{table['id']}/").json()
    assert [(each["name"], each["held"]["empty"]) for each in read["columns"]] == [
        ("id", 0),
        ("born", 0),
        ("wage", 1),
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"encoding": "ebcdic"},
        {"zone": "Atlantis"},
        {"zone": "../../etc/passwd"},
        {"decimal": ",", "thousands": ","},
        {"columns": {"id": {"type": "object"}}},
        {"columns": {"id": {"nonsense": 1}}},
        {"missing": ["x"] * 51},
        {"skip": -1},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_options_that_mean_nothing_are_refused(owner: Caller, dataset: Dataset, asked: dict[str, Any]):
    path = begin(owner, dataset, len(files.GOOD))["Location"].removeprefix(ROOT)
    send(owner, ROOT + path, 0, files.GOOD)
    execution.read_upload(Upload.objects.get().pk)
    assert owner.post(f"{path}reread/", asked).status_code == 400
    assert Upload.objects.get().state == Upload.State.DONE


def test_a_file_that_is_gone_cannot_be_read_again(owner: Caller, dataset: Dataset):
    path = begin(owner, dataset, len(files.GOOD))["Location"].removeprefix(ROOT)
    problem(owner.post(f"{path}reread/", {}), 409, "conflict")
    send(owner, ROOT + path, 0, files.GOOD)
    execution.read_upload(Upload.objects.get().pk)
    storage.drop_upload(Upload.objects.get())
    assert owner.get(path).json()["can_reread"] is False
    problem(owner.post(f"{path}reread/", {}), 409, "conflict")
