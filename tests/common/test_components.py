"""The components that pages are made of."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django import forms
from django.core.paginator import Paginator
from django.template import Context, Template, TemplateSyntaxError
from django.test import RequestFactory

from common.templatetags.weir import TONE_OF, initials, markdown, relative, span
from datasets.models import AccessRequest, Dataset, Revision, Upload
from requests_app.models import CodeRequest, Output, Release, Review, Run

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STATES = [
    *(CodeRequest.State, Run.State, Release.State, Output.Verdict, Review.Verdict),
    *(Dataset.State, Revision.State, Upload.State, AccessRequest.State),
]


def rendered(source: str, **context: object) -> str:
    return Template("{% load weir %}" + source).render(Context(context))


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59, seconds=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=400), "1 year ago"),
        (timedelta(seconds=-30), "in less than a minute"),
        (timedelta(hours=-5), "in 5 hours"),
    ],
)
def test_times_are_told_relatively(age: timedelta, words: str) -> None:
    assert relative(NOW - age, NOW) == words


def test_a_relative_time_carries_the_exact_one() -> None:
    html = rendered("{% ago moment %}", moment=NOW)
    assert 'datetime="2026-11-24T12:00:00+00:00" title="24 Nov 2026, 12:00 UTC" data-ago' in html


def test_no_time_is_a_dash() -> None:
    assert rendered("{% ago moment %}", moment=None) == "\N{EN DASH}"
    assert rendered("{% at moment %}", moment=None) == "\N{EN DASH}"


def test_what_nobody_did_the_portal_did() -> None:
    assert rendered("{% who user %}", user=None) == "the portal"
    assert rendered('{% who user otherwise="nobody" %}', user=None) == "nobody"


def test_a_dialog_contains_its_title_as_text_and_its_form_as_markup() -> None:
    source = '{% dialog id="why" title=title %}<form>{{ title }}</form>{% enddialog %}'
    html = rendered(source, title="<b>Why?</b>")
    assert 'aria-labelledby="why-title"' in html
    assert (html.count("&lt;b&gt;Why?&lt;/b&gt;"), "<form>" in html, "<b>" in html) == (2, True, False)


@pytest.mark.parametrize(
    ("length", "words"),
    [(42, "42 s"), (timedelta(minutes=15), "15 min"), (90, "1 min 30 s"), (3900, "1 h 5 min"), (7200, "2 h")],
)
def test_lengths_are_told_in_units_of_people(length: timedelta | int, words: str) -> None:
    assert span(length) == words


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Ada Lovelace", "AL"),
        ("ada.lovelace@example.org", "AL"),
        ("Prince", "P"),
        ("", "?"),
        ("李 小龙", "李小"),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert initials(name) == letters


@pytest.mark.parametrize("states", STATES, ids=lambda states: states.__qualname__)
def test_every_state_has_a_colour(states: type) -> None:
    assert [value for value in states.values if value not in TONE_OF] == []  # type: ignore[attr-defined]


def test_a_state_is_told_in_words() -> None:
    html = rendered("{% state item %}", item=CodeRequest(state="submitted"))
    assert html == '<span class="badge-state tone-blue">Waiting for a review</span>'


def test_a_step_is_a_form_with_a_token() -> None:
    html = rendered('{% step "/go/" "Go" key="k" confirm="Sure?" %}', csrf_token="t0ken")
    assert 'method="post" action="/go/"' in html
    assert 'name="confirm-text" value="Sure?"' in html
    assert 'name="csrfmiddlewaretoken" value="t0ken"' in html
    assert 'name="key" value="k"' in html


def test_a_refused_step_is_no_form_and_says_why() -> None:
    html = rendered('{% step "/go/" "Go" refusal=why %}', why="It is <frozen>.")
    assert "<form" not in html
    assert " disabled" in html
    assert '<span class="step-reason">It is &lt;frozen&gt;.</span>' in html


def test_an_unknown_icon_is_a_mistake() -> None:
    with pytest.raises(TemplateSyntaxError, match="no icon 'unicorns'"):
        rendered('{% icon "unicorns" %}')


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "![x](https://example.org/pixel.png)",
        "[x](javascript:alert(1))",
        '<a href="/" onclick="alert(1)">x</a>',
        "<img src=x onerror=alert(1)>",
    ],
)
def test_markdown_neither_runs_nor_fetches_anything(text: str) -> None:
    html = markdown(text)
    assert not any(bad in html for bad in ("<script", "<img", 'href="javascript', '<a href="/" onclick'))


def test_markdown_links_tell_nothing_to_where_they_lead() -> None:
    assert 'href="https://example.org" rel="noopener noreferrer nofollow"' in markdown(
        "[x](https://example.org)"
    )


def test_pages_keep_the_filters() -> None:
    request = RequestFactory().get("/", {"state": "draft", "page": "2"})
    page = Paginator(range(100), 10).get_page(2)
    html = rendered('{% paginate page "things" %}', request=request, page=page)
    assert "11\N{EN DASH}20 of 100 things" in html
    assert 'href="?state=draft&amp;page=3"' in html


def test_one_page_needs_no_links() -> None:
    page = Paginator(range(3), 10).get_page(1)
    assert rendered("{% paginate page %}", request=RequestFactory().get("/"), page=page).strip() == ""


class Form(forms.Form):
    title = forms.CharField(help_text="A few words.", widget=forms.TextInput(attrs={"placeholder": "Title"}))
    note = forms.CharField(required=False)
    reason = forms.CharField(
        required=False, widget=forms.TextInput(attrs={"data-needed": "needed to submit"})
    )


def test_a_field_has_label_help_and_error_tied_to_it() -> None:
    html = str(Form({"title": ""}))
    assert '<label class="form-label" for="id_title">Title</label>' in html
    assert 'aria-describedby="id_title_helptext id_title_error"' in html
    assert 'aria-invalid="true"' in html
    assert '<a href="#id_title">Title</a>: This field is required.' in html
    assert "placeholder" not in html


def test_optional_fields_say_so_and_needed_ones_when() -> None:
    form = Form()
    assert [form[name].mark for name in form.fields] == ["", "optional", "needed to submit"]  # type: ignore[attr-defined]


def test_a_person_is_named_and_marked_as_oneself() -> None:
    class Somebody(SimpleNamespace):
        def __str__(self) -> str:
            return "Ada Lovelace"

    me = Somebody(email="ada@example.org")
    assert "Ada Lovelace (you)" in rendered("{% person me me %}", me=me)
    assert "(you)" not in rendered("{% person me %}", me=me)
