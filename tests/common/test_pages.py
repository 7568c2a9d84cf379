"""What views share: forms whose refusal keeps what was typed, and keys that make a form act once."""

from uuid import UUID

import pytest
from django import forms
from django.test import RequestFactory

from common.errors import Conflict, Refused
from common.pages import attempt, key_of, new_key


class Named(forms.Form):
    name = forms.CharField()


def test_an_invalid_form_does_nothing() -> None:
    acted: list[str] = []
    assert not attempt(Named({"name": ""}), lambda: acted.append("done"))
    assert acted == []


def test_a_valid_form_acts_once() -> None:
    acted: list[str] = []
    form = Named({"name": "Mei"})
    assert attempt(form, lambda: acted.append(form.cleaned_data["name"]))
    assert acted == ["Mei"]


def test_a_refusal_becomes_an_error_of_the_form() -> None:
    def refuse() -> None:
        raise Conflict("Somebody else was faster. Reload the page.")

    form = Named({"name": "Mei"})
    assert not attempt(form, refuse)
    assert form.non_field_errors() == ["Somebody else was faster. Reload the page."]
    assert form["name"].value() == "Mei"


def test_a_key_is_read_from_the_form_or_else_from_the_address() -> None:
    first, second = new_key(), new_key()
    assert first != second
    assert key_of(RequestFactory().post("/", {"key": first})) == UUID(first)
    assert key_of(RequestFactory().post(f"/?key={second}")) == UUID(second)


@pytest.mark.parametrize("key", ["", "1", "not-a-key"])
def test_a_form_without_a_key_is_refused(key: str) -> None:
    with pytest.raises(Refused, match="Reload the page"):
        key_of(RequestFactory().post("/", {"key": key}))
