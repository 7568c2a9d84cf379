"""Every page of studies: who sees it, what they can do there, and what it says when something is in the way."""

import re
from typing import Any

import pytest
from django.test import Client

from studies.models import JointAnswer, Member, Study
from studies.services import consents, members
from tests import make
from tests.makers import studies as makers
from tests.network.portals import Portal
from tests.studies.scenes import lead
from tests.studies.together import COUNT, Together, asked

pytestmark = pytest.mark.django_db


@pytest.fixture
def both(other: Portal) -> Together:
    return Together(other)


def text(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer.content.decode()[:2000]
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def field(answer: Any, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.content.decode())
    assert found is not None
    return found[1]


def priced(client: Client, both: Together, **more: Any) -> dict[str, Any]:
    """What the page sends when a scientist asks at the price that it showed."""
    page = client.post(f"/studies/{both.study.pk}/price/", asked(**more))
    return asked(**more, agreed=field(page, "agreed"), then="ask", key=str(both.study.pk))


def test_the_empty_list_says_what_to_do(client):
    client.force_login(make.scientist())
    assert "No studies yet" in text(client.get("/studies/"))
    client.force_login(make.owner())
    assert "Found one with a dataset that answers automatically" in text(client.get("/studies/"))


def test_an_owner_founds_a_study(client, other):
    peer = other.peer()
    dataset = makers.offered(title="Wages of A")
    client.force_login(dataset.owner)
    assert "Wages of A" in text(client.get("/studies/found/"))
    address = f"/studies/found/?dataset={dataset.pk}&table=wages"
    assert "Columns that all portals are to fill" in text(client.get(address))
    form = {
        **makers.WORDS, "columns": ["region", "wage"], "portals": [peer.url], "relies_on": [peer.url],
        "then": "review",
    }  # fmt: skip
    shown = client.post(address, form)
    assert "changes nothing: at least one other portal" in text(shown)
    conditions = shown.context["conditions"]
    assert Study.objects.count() == 0
    again = client.post(address, {**form, "then": "agree", "conditions": "Something else."})
    assert "The conditions have changed" in text(again, 400)
    assert client.post(address, {**form, "then": "change"}).context["confirming"] is False
    done = client.post(address, {**form, "then": "agree", "conditions": conditions})
    study = Study.objects.get()
    assert done.headers["Location"] == f"/studies/{study.pk}/"
    assert study.participation.consent == conditions
    page = text(client.get(f"/studies/{study.pk}/"))
    assert "Hospital B" in page
    assert "Invited" in page


def test_founding_says_what_is_wrong(client, other):
    peer = other.peer()
    dataset = makers.offered()
    client.force_login(dataset.owner)
    address = f"/studies/found/?dataset={dataset.pk}&table=wages"
    form = {**makers.WORDS, "columns": ["wage"], "portals": [peer.url], "then": "review"}
    wrong = client.post(address, {**form, "name": "Not A Name"})
    assert "is not a name of small letters" in text(wrong, 400)
    nobody = text(client.post(address, {**form, "portals": []}), 400)
    assert "Please check what you entered" in nobody
    assert client.get(f"/studies/found/?dataset={dataset.pk}&table=nothing").status_code == 404
    client.force_login(make.owner())
    assert client.get(address).status_code == 404
    assert "None of your datasets can take part yet" in text(client.get("/studies/found/"))
    client.force_login(make.scientist())
    assert "Only data owners decide about studies" in text(client.get("/studies/found/"), 403)


def test_an_owner_counts_only_on_portals_that_are_invited(client, portals):
    peer, third = portals("Hospital B").peer(), portals("Hospital C").peer()
    dataset = makers.offered()
    client.force_login(dataset.owner)
    form = {
        **makers.WORDS, "columns": ["wage"], "portals": [peer.url], "relies_on": [third.url], "then": "review",
    }  # fmt: skip
    answer = client.post(f"/studies/found/?dataset={dataset.pk}&table=wages", form)
    assert "You can count on portals only that you invite." in text(answer, 400)


MAPPED = {
    "column-0": "year", "scale-0": "1", "offset-0": "0",
    "column-1": "region", "column-2": "wage", "scale-2": "0.001", "offset-2": "0", "bounds": "on",
}  # fmt: skip


def labels(page: Any, **becomes: str) -> dict[str, str]:
    """The fields of the form in which values become others, by their labels."""
    fields = page.context["form"]
    return {
        name: becomes.get(str(item.label), "")
        for name, item in fields.fields.items()
        if name.startswith("label-")
    }


def test_an_owner_maps_columns_and_joins(client, peer):
    study = makers.invited(peer)
    dataset = makers.offered(title="Wages of A")
    client.force_login(dataset.owner)
    assert "invites this portal" in text(client.get(f"/studies/{study.pk}/"))
    assert "Waits for you" in text(client.get("/studies/"))
    assert "Wages of A" in text(client.get(f"/studies/{study.pk}/join/"))
    address = f"/studies/{study.pk}/join/?dataset={dataset.pk}&table=wages"
    first = client.get(address)
    assert "Say how your columns become the study" in text(first)
    assert labels(first) == {}
    chosen = client.post(address, {**MAPPED, "then": "refresh"})
    becomes = labels(chosen, north="n", east="s")
    assert sorted(becomes.values()) == ["", "n", "s"]
    form = {**MAPPED, **becomes, "then": "review"}
    shown = client.post(address, form)
    conditions = shown.context["conditions"]
    assert "You count on no other portal" in text(shown)
    assert client.post(address, {**form, "then": "agree", "conditions": conditions}).status_code == 302
    assert study.participation.mapping == makers.MAPPING
    assert study.participation.consent == conditions
    page = text(client.get(f"/studies/{study.pk}/"))
    assert "What was agreed to" in page
    assert client.get(address).status_code == 403


def test_a_mapping_that_does_not_fit_says_so_beside_the_column(client, peer):
    study = makers.invited(peer)
    dataset = makers.offered()
    client.force_login(dataset.owner)
    address = f"/studies/{study.pk}/join/?dataset={dataset.pk}&table=wages"
    answer = client.post(address, {**MAPPED, "then": "review"})
    assert "Choose a category of “where” for at least one of “region”." in text(answer, 400)
    unconfirmed = client.post(address, {**MAPPED, "bounds": "", "then": "review"})
    assert "Compare the bounds with your data" in text(unconfirmed, 400)
    nothing = client.post(address, {"then": "review"})
    assert "Please check what you entered" in text(nothing, 400)


def test_declining_leaving_and_ending_take_a_reason(client, both):
    invited = makers.invited(both.peer, name="other-study")
    client.force_login(both.owner)
    assert "This field is required" in text(client.post(f"/studies/{invited.pk}/decline/"), 422)
    assert client.post(f"/studies/{invited.pk}/decline/", {"reason": "Not ours."}).status_code == 302
    assert invited.members.get(number=1).state == Member.State.DECLINED
    for step in ("leave", "end"):
        assert client.post(f"/studies/{both.study.pk}/{step}/", {"reason": "Done."}).status_code == 302
    page = text(client.get(f"/studies/{both.study.pk}/"))
    assert "This study has ended" in page
    assert "Ended" in text(client.get("/studies/"))
    again = client.post(f"/studies/{both.study.pk}/end/", {"reason": "Again."})
    assert again.status_code == 403


def test_an_owner_changes_on_whom_they_count(client, both):
    client.force_login(both.owner)
    address = f"/studies/{both.study.pk}/rely/"
    assert "For questions from now on" in text(client.get(address))
    form = {"relies_on": [both.peer.url], "then": "review"}
    conditions = client.post(address, form).context["conditions"]
    done = client.post(address, {**form, "then": "agree", "conditions": conditions})
    assert done.status_code == 302
    both.study.participation.refresh_from_db()
    assert both.study.participation.relies_on == [both.peer.url]
    client.force_login(both.scientist)
    assert client.get(address).status_code == 403


def test_a_scientist_sees_what_it_costs_at_each_portal_and_asks(client, both):
    client.force_login(both.scientist)
    address = f"/studies/{both.study.pk}/ask/"
    first = client.get(address)
    page = text(first)
    assert "Hospital A" in page
    assert "Hospital B" in page
    assert "100 %" in page
    known = field(first, "known").replace("&amp;", "&")
    before = len(both.other.received)
    price = client.post(f"/studies/{both.study.pk}/price/", asked(known=known))
    assert len(both.other.received) == before
    assert "of your budget" in text(price)
    assert "Ask 2 portals" in text(price)
    form = priced(client, both)
    done = client.post(address, form)
    answer = JointAnswer.objects.get()
    assert done.headers["Location"] == f"/studies/joint-answers/{answer.pk}/"
    assert (answer.sql, answer.asked) == (COUNT, {"share": 0.1})
    assert client.post(address, form).headers["Location"] == done.headers["Location"]
    assert "Costs nothing" in text(client.post(f"/studies/{both.study.pk}/price/", asked()))


def test_an_answer_is_followed_until_it_is_there(client, both):
    client.force_login(both.scientist)
    client.post(f"/studies/{both.study.pk}/ask/", priced(client, both))
    answer = JointAnswer.objects.get()
    waiting = text(client.get(f"/studies/joint-answers/{answer.pk}/"))
    assert "Asked to reserve the price" in waiting
    lead(answer)
    assert answer.state == JointAnswer.State.RELEASED
    shown = text(client.get(f"/studies/joint-answers/{answer.pk}/"))
    assert "Has sent its part" in shown
    assert "± (95 %)" in shown
    answer.refresh_from_db()
    assert answer.seen_at is not None
    assert "Number of rows by region" in text(client.get("/studies/"))
    again = client.get(f"/studies/{both.study.pk}/ask/?again={answer.pk}")
    assert COUNT in again.content.decode()


def test_an_answer_is_downloaded(client, both):
    client.force_login(both.scientist)
    client.post(f"/studies/{both.study.pk}/ask/", priced(client, both))
    answer = lead(JointAnswer.objects.get())
    csv = client.get(f"/studies/joint-answers/{answer.pk}/download/csv/").content.decode()
    assert csv.splitlines()[0] == "region,count,count_half_width_95,count_half_width_95_joint"
    for form_, key in (("json", "result"), ("record", "plan_sha256")):
        assert key in client.get(f"/studies/joint-answers/{answer.pk}/download/{form_}/").json()
    assert client.get(f"/studies/joint-answers/{answer.pk}/download/odd/").status_code == 404
    receipt = client.get(f"/studies/joint-answers/{answer.pk}/receipt/")
    assert receipt.headers["Location"] == f"/studies/joint-answers/{answer.pk}/"


def test_a_question_can_be_stopped(client, both):
    client.force_login(both.scientist)
    client.post(f"/studies/{both.study.pk}/ask/", priced(client, both))
    answer = JointAnswer.objects.get()
    address = f"/studies/joint-answers/{answer.pk}/"
    assert "There is no receipt" in text(client.get(f"{address}receipt/"), 400)
    assert client.post(f"{address}stop/").headers["Location"] == address
    assert "You have stopped it." in text(client.get(address))
    assert client.post(f"{address}stop/").status_code == 403
    client.force_login(make.scientist())
    assert client.get(address).status_code == 404
    client.force_login(make.auditor())
    assert "Asked by Sci Entist" in text(client.get(address))


def test_a_portal_that_does_not_answer_is_named_with_the_way_to_ask_for_access(client, both):
    both.trouble = "The owner has not given you a budget for this dataset yet."
    client.force_login(both.scientist)
    page = client.get(f"/studies/{both.study.pk}/ask/")
    assert "The owner has not given you a budget" in text(page)
    assert f"/network/elsewhere/ask/{both.peer.pk}/" in page.content.decode()
    refused = client.post(f"/studies/{both.study.pk}/ask/", asked(then="ask"))
    assert "Check the price once more" in text(refused, 409)
    alone = {"chosen": "yes", "with": [both.peer.url]}
    price = text(client.post(f"/studies/{both.study.pk}/price/", asked(**alone)))
    assert "At least two portals have to take part" in price


def test_what_cannot_be_asked_is_refused_with_words(client, both):
    client.force_login(both.scientist)
    address = f"/studies/{both.study.pk}/price/"
    odd = {**asked(), "sql": "SELECT MEDIAN(wage) FROM wages"}
    assert "Quantiles cannot be asked of several portals together" in text(client.post(address, odd))
    wrong = {**asked(), "sql": "SELECT SUM(nothing) FROM wages"}
    assert "There is no column “nothing”" in text(client.post(address, wrong))
    blank = {**asked(), "share": ""}
    assert "Give either the error that you accept" in text(client.post(address, blank))
    page = client.post(f"/studies/{both.study.pk}/ask/", {**wrong, "then": "ask"})
    assert page.status_code == 400
    in_fields = client.post(address, {"source": "form", "measure": "people", "goal": "error", "error": "50"})
    assert "50 people" in text(in_fields)


def test_who_cannot_ask_reads_why(client, both):
    client.force_login(both.owner)
    page = text(client.get(f"/studies/{both.study.pk}/ask/"))
    assert "You cannot ask in this study at the moment" in page
    refused = client.post(f"/studies/{both.study.pk}/price/", asked())
    assert refused.status_code == 403


def test_conditions_are_those_of_the_service(both):
    found = consents.consent_text(both.study, both.dataset, [])
    assert both.study.participation.consent == found


def test_a_study_that_names_an_earlier_address_says_so(client, other, settings):
    study = makers.study(other.peer())
    settings.BASE_URL = "http://moved.example"
    client.force_login(study.participation.dataset.owner)
    assert "by an earlier address" in text(client.get(f"/studies/{study.pk}/"))
    assert "Earlier address" in text(client.get("/studies/"))
    again = client.post(f"/studies/{study.pk}/decline/", {"reason": "It has moved."})
    assert (again.status_code, "by an earlier address" in again.content.decode()) == (403, True)
    assert members.tell() == 0
