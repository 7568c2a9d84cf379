"""Passkeys: added, used as second step and alone, removed; what does not answer this ceremony is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client

from accounts import services
from accounts.models import User
from accounts.signin import passkeys
from audit.models import Entry
from tests import make
from tests.accounts.signin.test_signing_in import age_the_sign_in
from tests.authenticators import SoftKey, text

pytestmark = pytest.mark.django_db
ADD, LOGIN = "/account/mfa/webauthn/add/", "/account/mfa/webauthn/login/"
STEP, AGAIN = "/account/mfa/authenticate/", "/account/mfa/webauthn/reauthenticate/"
HERE = "http://localhost:8000"


@pytest.fixture(autouse=True)
def _at_localhost(settings: Any) -> None:
    cache.clear()
    settings.BASE_URL = HERE


@pytest.fixture
def person() -> User:
    return make.scientist(password=make.PASSWORD)


def enter(person: User, client: Client | None = None) -> Client:
    """The password given; with a second step set up, it is asked for next."""
    client = client or Client()
    client.post("/account/login/", {"login": person.email, "password": make.PASSWORD})
    return client


def add(client: Client, key: SoftKey, name: str = "Phone", **changes: Any) -> Any:
    options = client.get(ADD).context["js_data"]["creation_options"]
    return client.post(ADD, {"name": name, "credential": key.create(options, **changes)})


def step_options(client: Client) -> dict[str, Any]:
    options: dict[str, Any] = client.get(STEP).context["js_data"]["request_options"]
    return options


def login_options(client: Client) -> dict[str, Any]:
    options: dict[str, Any] = client.get(LOGIN, headers={"accept": "application/json"}).json()[
        "request_options"
    ]
    return options


def is_in(client: Client) -> bool:
    return client.get("/people/me/").status_code == 200


@pytest.fixture
def key(person: User) -> SoftKey:
    """A passkey of the person's."""
    made = SoftKey()
    assert add(enter(person), made).status_code == 302
    return made


def test_a_passkey_is_added_shown_renamed_and_removed(person: User) -> None:
    client, key = enter(person), SoftKey()
    assert add(client, key, "Office <laptop>").headers["Location"] == "/account/mfa/recovery-codes/"
    kept = Authenticator.objects.get(user=person, type="webauthn")
    assert "Office &lt;laptop&gt;" in client.get("/account/mfa/").content.decode()
    client.post(f"/account/mfa/webauthn/keys/{kept.pk}/edit/", {"name": "Blue key"})
    page = client.get("/account/mfa/").content.decode()
    assert ("Blue key" in page, "not yet" in page) == (True, True)
    assert client.post(f"/account/mfa/webauthn/keys/{kept.pk}/remove/").status_code == 302
    assert not Authenticator.objects.filter(user=person).exists(), "the recovery codes go with the last one"
    assert "Passkey removed." in client.get("/account/mfa/").content.decode()
    done = [
        name for name in Entry.objects.order_by("id").values_list("action", flat=True) if "factor" in name
    ]
    assert done == ["user.add_factor", "user.remove_factor", "user.remove_factor"]


def test_several_passkeys_each_by_its_name(person: User) -> None:
    client = enter(person)
    for name in ("Phone", "", "Key"):
        add(client, SoftKey(), name)
    names = [item.data["name"] for item in Authenticator.objects.filter(type="webauthn").order_by("pk")]
    assert names == ["Phone", "Passkey 2", "Key"]


def test_there_is_an_end_to_them(person: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 1)
    client = enter(person)
    add(client, SoftKey())
    assert "You already have 1 passkeys" in add(client, SoftKey()).content.decode()
    assert Authenticator.objects.filter(type="webauthn").count() == 1


def test_a_long_name_is_refused(person: User) -> None:
    assert add(enter(person), SoftKey(), "x" * 61).status_code == 200
    assert not Authenticator.objects.exists()


def test_the_passkey_is_the_second_step(person: User, key: SoftKey) -> None:
    client = enter(person)
    assert not is_in(client)
    options = step_options(client)
    assert [item["id"] for item in options["publicKey"]["allowCredentials"]] == [text(key.id)]
    client.post(STEP, {"credential": key.get(options)})
    assert is_in(client)
    assert Authenticator.objects.get(type="webauthn").last_used_at is not None


def test_the_passkey_signs_in_alone(person: User, key: SoftKey) -> None:
    client = Client()
    answer = client.post(LOGIN, {"credential": key.get(login_options(client))})
    assert (answer.headers["Location"], is_in(client)) == ("/", True)
    assert Entry.objects.filter(action="session.sign_in", person_id=str(person.pk)).count() == 2


def test_the_passkey_confirms_that_it_is_the_person(person: User, key: SoftKey) -> None:
    client = Client()
    client.post(LOGIN, {"credential": key.get(login_options(client))})
    age_the_sign_in(client, 15 * 60 + 1)
    asked = client.get(ADD)
    assert asked.headers["Location"].startswith("/account/reauthenticate/")
    page = client.get(f"{AGAIN}?next={ADD}")
    assert "Use your password" in page.content.decode()
    answer = client.post(
        f"{AGAIN}?next={ADD}",
        {"next": ADD, "credential": key.get(page.context["js_data"]["request_options"])},
    )
    assert (answer.headers["Location"], client.get(ADD).status_code) == (ADD, 200)


def test_an_account_that_is_not_active_is_not_opened_by_a_passkey(person: User, key: SoftKey) -> None:
    services.suspend(person, by=make.admin(), reason="Left.")
    client = Client()
    client.post(LOGIN, {"credential": key.get(login_options(client))})
    assert not is_in(client)


def test_the_demos_people_are_not_let_in_by_a_passkey_elsewhere(
    person: User, key: SoftKey, settings: Any
) -> None:
    User.objects.filter(pk=person.pk).update(email=f"x@{settings.DEMO_DOMAIN}")
    client = Client()
    client.post(LOGIN, {"credential": key.get(login_options(client))})
    assert not is_in(client)


def test_resetting_the_second_step_takes_passkeys_too(person: User, key: SoftKey) -> None:
    services.reset_second_step(person, by=make.admin(), reason="Lost the phone.")
    assert not Authenticator.objects.filter(user=person).exists()
    assert is_in(enter(person))
    client = Client()
    client.post(LOGIN, {"credential": key.get(login_options(client))})
    assert not is_in(client)


# Answers to something else

Change = Callable[[SoftKey], dict[str, Any]]


def of(**fields: Any) -> Change:
    """A key with other properties."""

    def change(key: SoftKey) -> dict[str, Any]:
        for name, value in fields.items():
            setattr(key, name, value)
        return {}

    return change


WRONG: dict[str, Change] = {
    "another site": of(origin="https://evil.example", rp_id="evil.example"),
    "another site for our name": of(origin="https://evil.example"),
    "another port": of(origin="http://localhost:6666"),
    "another scheme": of(origin="https://localhost:8000"),
    "a name below ours": of(origin="http://evil.localhost:8000"),
    "a name that ends alike": of(origin="http://evillocalhost:8000"),
    "in a frame of another site": lambda key: {"crossOrigin": True},
    "another challenge": lambda key: {"challenge": text(b"x" * 32)},
    "the other ceremony": lambda key: {"type": "webauthn.payment"},
    "nobody verified": of(verified=False),
    "for another site": of(rp_id="evil.example"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("path", [STEP, LOGIN])
def test_an_answer_to_something_else_signs_nobody_in(
    person: User, key: SoftKey, name: str, path: str
) -> None:
    client = enter(person) if path == STEP else Client()
    options = step_options(client) if path == STEP else login_options(client)
    changes = WRONG[name](key)
    answer = client.post(path, {"credential": key.get(options, **changes)}, follow=True)
    assert (is_in(client), passkeys.REFUSED in answer.content.decode()) == (False, True)


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_to_something_else_adds_no_passkey(person: User, name: str) -> None:
    client, key = enter(person), SoftKey()
    changes = WRONG[name](key)
    answer = add(client, key, **changes)
    assert (answer.status_code, Authenticator.objects.exists()) == (200, False)
    assert passkeys.REFUSED in answer.content.decode()


def test_an_answer_works_once(person: User, key: SoftKey) -> None:
    client = Client()
    answer = key.get(login_options(client))
    client.post(LOGIN, {"credential": answer})
    assert is_in(client)
    client.post("/account/logout/")
    for other in (client, Client(), enter(person)):
        other.post(LOGIN, {"credential": answer})
        other.post(STEP, {"credential": answer})
        assert not is_in(other)


def test_an_answer_belongs_to_the_session_that_asked(key: SoftKey) -> None:
    answer, thief = key.get(login_options(Client())), Client()
    login_options(thief)
    thief.post(LOGIN, {"credential": answer})
    assert not is_in(thief)


def test_one_persons_passkey_is_not_anothers(person: User, key: SoftKey) -> None:
    other, own = make.scientist(password=make.PASSWORD), SoftKey()
    add(enter(other), own)
    client = enter(person)
    client.post(STEP, {"credential": own.get(step_options(client))})
    assert not is_in(client)
    own.user_handle = key.user_handle
    client = Client()
    client.post(LOGIN, {"credential": own.get(login_options(client))})
    assert not is_in(client)


def test_foreign_passkeys_cannot_be_changed(person: User, key: SoftKey) -> None:
    kept = Authenticator.objects.get(type="webauthn")
    client = enter(make.scientist(password=make.PASSWORD))
    for verb in ("edit", "remove"):
        assert client.post(f"/account/mfa/webauthn/keys/{kept.pk}/{verb}/", {"name": "x"}).status_code == 404
    kept.refresh_from_db()
    assert kept.data["name"] == "Phone"


ODD: list[Any] = [None, 1, [], {}, "", "=", "%", "AA", "é"]


def malformed() -> list[str]:
    """An answer with each of its parts made odd, and texts that are no answer at all."""
    made = SoftKey(user_handle=text(b"0" * 32)).get({"publicKey": {"challenge": text(b"x" * 32)}})
    whole: dict[str, Any] = json.loads(made)
    response = whole["response"]
    only = {"clientDataJSON": response["clientDataJSON"]}
    answers: list[Any] = [None, [], {}, 1, "x", True]
    answers += [{**whole, "response": odd} for odd in [*ODD, only]]
    answers += [{**whole, "response": {**response, name: odd}} for name in response for odd in ODD]
    answers += [
        {**whole, name: odd} for name in ("id", "rawId", "type", "clientExtensionResults") for odd in ODD
    ]
    return ["", "{", "NaN", "[" * 9000, "\x00", "x" * 30_000, *map(json.dumps, answers)]


@pytest.mark.parametrize("path", [STEP, LOGIN, ADD, AGAIN])
def test_nonsense_is_refused_in_words(person: User, key: SoftKey, path: str) -> None:
    client = Client()
    if path in {ADD, AGAIN}:
        client.post(LOGIN, {"credential": key.get(login_options(client))})
    for answer in malformed():
        if path == STEP:
            cache.clear()  # ten wrong ones are the limit of a quarter of an hour
            enter(person, client)
        elif path == LOGIN:
            login_options(client)
        cache.clear()
        client.get(path)
        said = client.post(path, {"credential": answer})
        assert said.status_code in {200, 302}, answer[:200]
    assert Authenticator.objects.filter(type="webauthn").count() == 1


def test_wrong_answers_of_the_second_step_are_counted(person: User, key: SoftKey) -> None:
    client = enter(person)
    for _ in range(10):
        client.post(STEP, {"credential": key.get(step_options(client), challenge=text(b"x" * 32))})
    answer = client.post(STEP, {"credential": key.get(step_options(client))})
    assert ("Too many failed" in answer.content.decode(), is_in(client)) == (True, False)


@pytest.mark.parametrize(
    ("base", "works"),
    [
        ("https://weir.example.org", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", False),
        ("https://192.0.2.1", False),
        ("http://[::1]:8000", False),
        ("http://weir.example.org", False),
    ],
)
def test_where_browsers_make_none_the_page_says_why(
    person: User, settings: Any, base: str, *, works: bool
) -> None:
    settings.BASE_URL = base
    client = enter(person)
    shown = [client.get(path).content.decode() for path in ("/account/mfa/", ADD)]
    assert ["Browsers allow passkeys" in page for page in shown] == [not works] * 2
    assert ("Sign in with a passkey" in Client().get("/account/login/").content.decode()) is works
