"""Studies and joint answers over the REST API, as programs use it."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from studies.models import JointAnswer, Member, Study
from tests import make
from tests.makers import studies as makers
from tests.network.portals import Portal
from tests.rest import bearer
from tests.studies.scenes import lead
from tests.studies.together import COUNT, Together

pytestmark = pytest.mark.django_db
API = "/api/v1/"


@pytest.fixture
def both(other: Portal) -> Together:
    return Together(other)


class Program:
    """Calls with a person's token."""

    def __init__(self, person: Any, *scopes: str) -> None:
        self.client, self.token = Client(), bearer(person, "read", *scopes)

    def get(self, path: str, status: int = 200) -> Any:
        return self._read(self.client.get(f"{API}{path}", headers=self.token), status)

    def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        given = {"data": body or {}, "content_type": "application/json", "headers": {**self.token, **headers}}
        return self._read(self.client.post(f"{API}{path}", **given), status)

    @staticmethod
    def _read(answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.content.decode()
        return answer.json()


def test_studies_are_listed_and_read(both):
    program = Program(both.scientist)
    (found,) = program.get("studies/")["items"]
    assert (found["name"], found["state"], found["own_state"], found["taking_part"]) == (
        "wages-north", "open", "joined", 2,
    )  # fmt: skip
    study = program.get(f"studies/{found['id']}/")
    assert study["purpose"] == makers.WORDS["purpose"]
    assert [each["name"] for each in study["table"]["columns"]] == list(makers.COLUMNS)
    assert {each["state"] for each in study["portals"]} == {"joined"}
    assert Program(make.scientist()).get(f"studies/{uuid4()}/", 404)["code"] == "not_found"


def test_standings_and_prices(both):
    program, path = Program(both.scientist, "ask"), f"studies/{both.study.pk}/"
    told = program.get(f"{path}standings/")["portals"]
    assert sorted(each["is_home"] for each in told) == [False, True]
    assert all(each["share_left"] == 1 and each["epsilon"] > 0 for each in told)
    price = program.post(f"{path}prices/", {"sql": COUNT, "share": 0.1})
    assert price["question"] == "Number of rows by region"
    assert max(each["share"] for each in price["portals"]) == pytest.approx(0.1, abs=1e-3)
    assert price["half_width_95"] > 0
    both.trouble = "You have no budget there."
    troubled = program.post(f"{path}prices/", {"query": price["query"], "error": 50})
    assert "You have no budget there." in troubled["unaffordable"]
    alone = program.post(f"{path}prices/", {"sql": COUNT, "error": 50, "without": [both.peer.url]}, 400)
    assert "At least two portals" in alone["detail"]


def test_a_question_that_is_wrong_is_refused_before_anything_is_asked(both):
    program, path = Program(both.scientist, "ask"), f"studies/{both.study.pk}/prices/"
    assert program.post(path, {"sql": COUNT, "query": {}, "error": 1}, 400)["code"] == "invalid"
    assert "must be" in program.post(path, {"sql": COUNT, "error": "1"}, 400)["fields"]["error"][0]
    median = program.post(path, {"sql": "SELECT MEDIAN(wage) FROM wages", "share": 0.1}, 400)
    assert "Quantiles cannot be asked" in median["detail"]
    assert program.post(path, {"query": {"table": "wages"}, "share": 0.1}, 400)["code"] == "invalid"
    assert Program(both.scientist).post(path, {"sql": COUNT, "share": 0.1}, 403)["code"] == "token_scope"


def test_a_question_is_asked_once_and_read(both):
    program, path = Program(both.scientist, "ask"), f"studies/{both.study.pk}/answers/"
    key = {"Idempotency-Key": str(uuid4())}
    made = program.post(path, {"sql": COUNT, "share": 0.1}, 202, **key)
    assert (made["state"], made["stored"]) == ("preparing", False)
    assert program.post(path, {"sql": COUNT, "share": 0.1}, 202, **key)["id"] == made["id"]
    assert program.post(path, {"sql": COUNT, "share": 0.1}, 202)["stored"] is True
    address = f"joint-answers/{made['id']}/"
    assert program.get(f"{address}receipt/", 400)["detail"].startswith("There is no receipt")
    lead(JointAnswer.objects.get())
    answer = program.get(address)
    assert answer["state"] == "released"
    assert {each["state"] for each in answer["portals"]} == {"sent"}
    assert answer["rows"] == answer["result"]["lines"]
    assert answer["record"]["study"] == "wages-north"
    assert program.get(f"{address}receipt/")["ready"] is False
    assert [each["id"] for each in program.get("joint-answers/")["items"]] == [made["id"]]
    assert [each["id"] for each in program.get(path)["items"]] == [made["id"]]
    assert Program(make.scientist()).get(address, 404)["code"] == "not_found"


def test_a_question_is_stopped(both):
    program = Program(both.scientist, "ask")
    made = program.post(f"studies/{both.study.pk}/answers/", {"sql": COUNT, "share": 0.1}, 202)
    stopped = program.post(f"joint-answers/{made['id']}/stop/")
    assert (stopped["state"], stopped["result"]) == ("stopped", None)
    assert program.post(f"joint-answers/{made['id']}/stop/", status=403)["code"] == "denied"


def test_an_owner_founds_a_study(other):
    peer, dataset = other.peer(), makers.offered()
    program = Program(dataset.owner, "budgets")
    body = {
        **makers.WORDS, "dataset": str(dataset.pk), "table": "wages", "columns": ["region", "wage"],
        "portals": [str(peer.pk)], "relies_on": [],
    }  # fmt: skip
    conditions = program.post("studies/conditions/", body)["text"]
    assert "You count on no other portal" in conditions
    stale = program.post("studies/", {**body, "agreed_text": "Something else."}, 409)
    assert "have changed" in stale["detail"]
    made = program.post("studies/", {**body, "agreed_text": conditions}, 201)
    assert made["founder"] == Study.objects.get().members.get(peer=None).url
    nobody = {**body, "portals": [str(uuid4())]}
    assert program.post("studies/conditions/", nobody, 404)["code"] == "not_found"


def test_an_owner_joins_relies_and_leaves(peer):
    study, dataset = makers.invited(peer), makers.offered()
    program, path = Program(dataset.owner, "budgets"), f"studies/{study.pk}/"
    chosen = {"dataset": str(dataset.pk), "relies_on": []}
    agreed = program.post(f"{path}conditions/", chosen)["text"]
    body = {**chosen, "table": "wages", "mapping": makers.MAPPING, "agreed_text": agreed}
    wrong = program.post(f"{path}join/", {**body, "mapping": {}}, 400)
    assert "Choose a column for “pay”." in wrong["detail"]
    assert program.post(f"{path}join/", body)["own_state"] == "joined"
    relied = {"dataset": str(dataset.pk), "relies_on": [peer.url]}
    now = program.post(f"{path}conditions/", relied)["text"]
    program.post(f"{path}rely/", {"relies_on": [peer.url], "agreed_text": now})
    study.participation.refresh_from_db()
    assert study.participation.relies_on == [peer.url]
    assert program.post(f"{path}leave/", {"reason": "Done."})["own_state"] == "left"
    assert program.post(f"{path}end/", {"reason": "Done."}, 403)["code"] == "denied"


def test_an_owner_declines_and_a_founder_ends(both):
    invited = makers.invited(both.peer, name="other-study")
    program = Program(both.owner, "budgets")
    declined = program.post(f"studies/{invited.pk}/decline/", {"reason": "Not ours."})
    assert declined["own_state"] == Member.State.DECLINED
    assert program.post(f"studies/{both.study.pk}/end/", {"reason": "Done."})["state"] == "ended"
