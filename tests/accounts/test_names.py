"""Names: which characters are allowed, which names look alike, and whose a name is."""
# ruff: noqa: RUF001 -- letters that look like others are what this is about

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts import names, services
from accounts.models import User
from audit.models import Entry
from common.errors import Conflict, Refused
from requests_app import services as lane
from tests import make
from tests.racing import at_once

GOOD = [
    "Priya Raman", "Mei-Ling Chen", "Tomás Herrera", "Viktor Novák", "Seán O'Brien", "J. R. R. Tolkien",
    "J.R.R. Tolkien",
    "Anne-Marie St. John", "Нина Петрова", "Ελένη Παπαδοπούλου", "李明", "山田 太郎", "エリザベス", "김민준",
    "محمد علي", "דוד", "अनिल", "Ng", "Łukasz", "Þór", "Nguyễn Văn An", "Smith Jr.",
]  # fmt: skip
BAD = [
    "", "   ", ".", "-", "'", "1", "Anna 2", "visit evil.example", "www.evil.example", "https://evil.example",
    "a@b.example",
    "Anna\nBcc: x", "Anna\u200b", "Anna\u202eannA", "\u3164", "An\u034fna", "Anna\ufe0f", "Anna\u00ad", "Anna\x00",
    "<b>Anna</b>", "Anna (admin)", "Anna, admin", "Anna/admin", "Anna: admin", "Anna “admin”", "Anna_admin", "😀 Anna",
    "Рriya Raman", "Ρriya Raman", "a" * 101, "e\u0301\u0302\u0303\u0304", "evil.example", "Evil.Example Anna", "\u2800",
]  # fmt: skip
ALIKE = [
    ("Priya Raman", "priya raman"),
    ("Priya Raman", "PRIYA RAMAN"),
    ("Priya Raman", "Priya  Raman"),
    ("Priya Raman", "PriyaRaman"),
    ("Priya Raman", "Priya-Raman"),
    ("Priya Raman", "P.riya Raman"),
    ("Priya Raman", "Príya Ramån"),
    ("Priya Raman", "Prıya Raman"),
    ("Priya Raman", "Ｐｒｉｙａ Raman"),
    ("Priya Raman", "Prİya Raman"),
    ("Ingrid", "lngrid"),
    ("Ilan", "llan"),
    ("Emma", "Ernrna"),
    ("Will", "VVill"),
    ("Capa", "Сара"),
    ("Beta Hopa", "Вета Нора"),
    ("Ivo", "Ινο"),
    ("Lukasz", "Łukasz"),
    ("Søren", "Soren"),
]
DIFFERENT = [
    ("Anna Schmidt", "Anna M. Schmidt"),
    ("Priya Raman", "Priya Rahman"),
    ("李明", "李朋"),
    ("Нина", "Нона"),
    ("Alan", "Elan"),
]


@pytest.mark.parametrize("name", GOOD)
def test_names_of_people_are_names(name: str) -> None:
    assert names.clean(f" {name} ") == name


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_name_is_refused_in_words(name: str) -> None:
    with pytest.raises(Refused) as refused:
        names.clean(name)
    assert str(refused.value)[-1] == "."


def test_signs_of_other_keyboards_are_the_plain_ones() -> None:
    assert names.clean("Seán O’Brien‐Smith") == "Seán O'Brien-Smith"


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_these_read_alike(one: str, other: str) -> None:
    assert not names.keys(one).isdisjoint(names.keys(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_these_do_not(one: str, other: str) -> None:
    assert names.keys(one).isdisjoint(names.keys(other))


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["Priya Raman", "PRIYA RAMÁN", "Priya-Raman", "Weir"])
def test_nobody_takes_a_name_that_reads_like_anothers(name: str, client: Client) -> None:
    make.user(name="Priya Raman")
    make.user(name="Suspended Sam", state=User.State.SUSPENDED)
    User.objects.system()
    mei = make.scientist(name="Mei-Ling Chen")
    with pytest.raises(Conflict, match="looks the same"):
        services.update_profile(mei, by=mei, name=name)
    client.force_login(mei)
    page = client.post("/people/me/", {"name": name, "affiliation": "", "time_zone": "UTC"})
    assert ("looks the same" in page.content.decode(), page.status_code) == (True, 200)
    _, link = services.invite("new@weir.example", by=make.admin(), roles=[])
    given = {"name": name, "password": make.PASSWORD, "time_zone": "UTC"}
    with pytest.raises(Conflict, match="looks the same"):
        services.accept(link.rstrip("/").rsplit("/", 1)[-1], email="", **given)
    mei.refresh_from_db()
    assert mei.name == "Mei-Ling Chen"


@pytest.mark.django_db
def test_a_change_of_name_is_in_the_history(client: Client) -> None:
    mei, admin = make.scientist(name="Mei-Ling Chen"), make.admin(name="Amara")
    services.update_profile(mei, by=mei, name="Mei Chen")
    entry = Entry.objects.get(person_id=str(mei.pk), action="user.update")
    assert entry.changes == {"name": ["Mei-Ling Chen", "Mei Chen"]}
    client.force_login(admin)
    assert "Mei-Ling Chen" in client.get(f"/people/{mei.pk}/").content.decode()


@pytest.mark.django_db
def test_ones_own_name_may_be_written_otherwise() -> None:
    """And a name of before the rule stays while the rest of the profile changes."""
    mei = make.scientist(name="Mei-Ling Chen")
    assert services.update_profile(mei, by=mei, name="Mei Ling Chen").name == "Mei Ling Chen"
    old = make.scientist(name="Dr. X (2nd)")
    assert services.update_profile(old, by=old, name="Dr. X (2nd)", affiliation="U").affiliation == "U"


@pytest.mark.django_db
def test_strangers_neither_learn_names_nor_block_them(settings: Any) -> None:
    """A registration with a name that is taken waits like any other; an admin lets it in by another name."""
    settings.REGISTRATION = True
    make.user(name="Priya Raman")
    given = {"password": make.PASSWORD, "affiliation": "U", "note": "n", "time_zone": "UTC"}
    for number, name in enumerate(["Priya Raman", "Nils Holm"]):
        services.register(f"s{number}@weir.example", name=name, **given)
    nils = make.scientist(name="Nils")
    assert services.update_profile(nils, by=nils, name="Nils Holm").name == "Nils Holm"
    admin = make.admin(name="Amara")
    for person in User.objects.filter(state=User.State.PENDING):
        with pytest.raises(Conflict, match="looks the same"):
            services.approve_registration(person, by=admin, roles=[])
        services.approve_registration(person, by=admin, roles=[], name=f"{person.name} B.")
    assert User.objects.filter(is_active=True, name__in=["Priya Raman B.", "Nils Holm B."]).count() == 2


@pytest.mark.django_db
def test_the_admin_sees_which_name_is_taken_and_changes_it_there(client: Client, settings: Any) -> None:
    settings.REGISTRATION = True
    make.user(name="Priya Raman")
    given = {"password": make.PASSWORD, "affiliation": "U", "note": "n", "time_zone": "UTC"}
    services.register("s@weir.example", name="Priya Raman", **given)
    person = User.objects.get(email="s@weir.example")
    client.force_login(make.admin(name="Amara"))
    page = client.post(f"/people/registrations/{person.pk}/approve/", {"roles": [], "name": "Priya Raman"})
    assert (page.status_code, "looks the same" in page.content.decode()) == (409, True)
    client.post(f"/people/registrations/{person.pk}/approve/", {"roles": [], "name": "Priya N. Raman"})
    person.refresh_from_db()
    assert (person.name, person.state) == ("Priya N. Raman", "active")


@pytest.mark.django_db(transaction=True)
def test_two_who_take_one_name_at_once_are_told_apart() -> None:
    people = [make.scientist(name=f"Person {letter}") for letter in "AB"]

    taken = at_once(
        *(lambda one=one: services.update_profile(one, by=one, name="Nora Noor") for one in people)
    )
    assert sorted(type(result).__name__ for result in taken) == ["Conflict", "User"]


@pytest.mark.django_db
def test_whose_word_counts_is_shown_with_their_address(client: Client) -> None:
    """On the page of a request, of a version under review and of an output check."""
    item = make.code_request(at="in_review")
    owner, author = item.dataset.owner, item.author
    lane.comment(item.latest, by=owner, text="Why the mean?")
    pages = {owner: [f"/requests/{item.pk}/", reverse("requests:review", args=[item.latest.pk])]}
    checked = make.code_request(at="ran")
    pages[checked.dataset.owner] = [reverse("requests:check", args=[checked.latest.runs.get().release.pk])]
    shown = []
    for person, paths in pages.items():
        client.force_login(person)
        shown += [client.get(path).content.decode() for path in paths]
    writer = f'<span class="who">{author.email}</span>'
    assert [writer in page for page in shown[:2]] == [True, True]
    assert f'<span class="who">{owner.email}</span>' in shown[1]
    assert f'<span class="who">{checked.author.email}</span>' in shown[2]


@pytest.mark.django_db
def test_an_author_who_may_not_know_a_reviewer_reads_no_address_of_theirs(client: Client) -> None:
    item = make.code_request(at="in_review")
    reviewer = make.reviewer(item.dataset).user
    lane.comment(item.latest, by=reviewer, text="Why the mean?")
    client.force_login(item.author)
    for path in (f"/requests/{item.pk}/", reverse("requests:review", args=[item.latest.pk])):
        assert reviewer.email not in client.get(path).content.decode()
