"""People and invitations in the API: read by those who look after accounts, changed by nobody."""

from uuid import uuid4

import pytest
from django.test import Client

from accounts import services
from accounts.models import Role, User
from tests import make
from tests.rest import bearer, problem

pytestmark = pytest.mark.django_db
PEOPLE, INVITATIONS = "/api/v1/people/", "/api/v1/invitations/"


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_overseers_read_about_everybody(client: Client, role: Role):
    person = make.user("owner", "scientist", name="Olu Owner", affiliation="Panel Office")
    headers = bearer(make.user(role))
    item = client.get(f"{PEOPLE}{person.pk}/", headers=headers).json()
    assert (item["email"], item["name"], item["roles"]) == (person.email, "Olu Owner", ["owner", "scientist"])
    assert set(item) == {
        "id", "email", "name", "affiliation", "state", "state_reason", "roles", "email_confirmed_at", "live_sessions",
        "created_at",
    }  # fmt: skip
    client.force_login(person)
    listed = client.get(PEOPLE, headers=headers).json()["items"]
    found = {item["id"]: item for item in listed}
    assert set(found) == {str(each.pk) for each in User.objects.people()}
    assert found[str(person.pk)]["live_sessions"] == 1


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("text=panel", {"Olu Owner"}),
        ("text=panel office", {"Olu Owner"}),
        ("role=scientist", {"Sina Scientist"}),
        ("state=suspended", {"Sam Suspended"}),
        ("state=active&role=owner", {"Olu Owner"}),
    ],
)
def test_people_are_filtered(client: Client, query: str, names: set[str]):
    make.owner(affiliation="Panel Office")
    make.scientist()
    make.user(name="Sam Suspended", state=User.State.SUSPENDED)
    items = client.get(f"{PEOPLE}?{query}", headers=bearer(make.admin())).json()["items"]
    assert {item["name"] for item in items} == names


@pytest.mark.parametrize("query", ["role=root", "state=system", "state=null", "name=x", "text=" + "x" * 101])
def test_a_filter_that_is_not_right(client: Client, query: str):
    problem(client.get(f"{PEOPLE}?{query}", headers=bearer(make.admin())), 400, "invalid")


@pytest.mark.parametrize("roles", [["owner"], ["scientist"], []], ids=str)
def test_for_others_there_is_nothing_here(client: Client, roles: list[str]):
    admin, person = make.admin(), make.user(*roles)
    services.invite("noor@weir.example", by=admin, roles=["scientist"])
    headers = bearer(person)
    for path in (PEOPLE, INVITATIONS, f"{PEOPLE}{admin.pk}/", f"{PEOPLE}{person.pk}/", f"{PEOPLE}{uuid4()}/"):
        problem(client.get(path, headers=headers), 404, "not_found")


def test_the_portal_s_own_account_is_nobody(client: Client):
    headers = bearer(make.admin())
    problem(client.get(f"{PEOPLE}{User.objects.system().pk}/", headers=headers), 404, "not_found")


def test_invitations_are_listed_without_their_links(client: Client):
    admin = make.admin()
    item, link = services.invite("noor@weir.example", by=admin, roles=["scientist"])
    answer = client.get(INVITATIONS, headers=bearer(make.auditor()))
    found = answer.json()["items"]
    assert [(each["email"], each["roles"], each["state"]) for each in found] == [
        ("noor@weir.example", ["scientist"], "open")
    ]
    assert found[0]["invited_by"] == {"id": str(admin.pk), "name": admin.name}
    assert link.rstrip("/").rpartition("/")[2] not in answer.content.decode()
    assert item.secret_hash not in answer.content.decode()


@pytest.mark.parametrize("path", [PEOPLE, INVITATIONS])
def test_a_token_needs_its_scope(client: Client, path: str):
    problem(client.get(path, headers=bearer(make.admin(), "audit")), 403, "token_scope")


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_a_token_for_some_datasets_reads_about_nobody(client: Client, role: Role):
    person = make.user(role)
    headers = bearer(person, dataset_ids=[uuid4()])
    for path in (PEOPLE, INVITATIONS, f"{PEOPLE}{person.pk}/"):
        problem(client.get(path, headers=headers), 403, "token_scope")


@pytest.mark.parametrize("path", [PEOPLE, INVITATIONS])
def test_nothing_is_changed_here(client: Client, path: str):
    headers = bearer(make.admin())
    for method in (client.post, client.put, client.patch, client.delete):
        problem(method(path, headers=headers), 405, "method_not_allowed")


def test_a_list_takes_few_queries(client: Client, django_assert_max_num_queries):
    headers = bearer(make.admin())
    for _ in range(20):
        make.user("owner", "scientist")
    client.get(PEOPLE, headers=headers)
    with django_assert_max_num_queries(6):
        client.get(PEOPLE, headers=headers)
