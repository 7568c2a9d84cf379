"""Search of the catalogue: what is found, for whom, and in which order."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from datasets import search, services
from datasets.models import Dataset
from tests import make
from tests.makers import privacy as shares

pytestmark = pytest.mark.django_db


def found(text: str = "", *, by: User | None = None, **how: str) -> list[str]:
    return [each.name for each in search.datasets(by or make.scientist(), text=text, **how)]


def described(name: str, *, owner: User | None = None, **fields: object) -> Dataset:
    title, declared = str(fields.pop("title", f"Title of {name}")), fields.pop("declared", None)
    made = make.dataset(owner=owner, title=title, name=name, declared=declared)  # type: ignore[arg-type]
    return services.update(made, by=made.owner, **fields) if fields else made


@pytest.fixture
def wages() -> Dataset:
    return described(
        "wage_panel_2",
        owner=make.owner(name="Tomás Herrera"),
        title="Wage panel of young men, 1980-1987",
        summary="A survey of US workers.",
        description="The National Longitudinal Survey, [described](https://example.org/nls_79).",
        tags=["Labour", "l'écart"],
        declared={"wage": {"description": "Blood pressure"}},
    )


@pytest.mark.parametrize(
    "text",
    [
        "wage",
        "WAGE pan",
        "1987",
        "1980-1987",
        "workers",
        "longitud",
        "nls_79",
        "herrera",
        "Tomás",
        "labour",
        "écart",
        "blood pressure",
        "region",
        "wage_panel_2",
        "survey  wages",
        "wage panel of young men survey us workers xyz",
    ],
)
def test_words_of_everything_that_is_public_find_it(wages: Dataset, text: str) -> None:
    described("other", title="Beans", owner=make.owner(name="Olga"))
    assert "wage_panel_2" in found(text)


@pytest.mark.parametrize("text", ["age", "wage xyz", "1979", "!!!", "' | 'x", "qz:*", "\\", "() & !", "<->"])
def test_other_words_do_not(wages: Dataset, text: str) -> None:
    assert found(text) == []


def test_drafts_and_what_one_may_not_see_are_not_searched() -> None:
    dataset = make.dataset(name="listed")
    hidden = described("hidden", title="A secret", discoverable=False)
    draft = services.new_revision(dataset, by=dataset.owner, note="More.")
    make.table(draft, name="unpublished_table")
    assert found("secret") == []
    assert found("secret", by=hidden.owner) == ["hidden"]
    assert found("unpublished") == []
    assert found("unpublished", by=dataset.owner) == []


def test_the_best_match_comes_first_and_other_orders_are_offered() -> None:
    described("a_far", title="Age", description="It mentions income once.")
    described("b_near", title="Income")
    described("c_tag", title="Zeal", tags=["income"])
    make.next_revision(Dataset.objects.get(name="a_far"))
    assert found("income")[-1] == "a_far"
    assert found("income", sort="title") == ["a_far", "b_near", "c_tag"]
    assert found("income", sort="newest") == ["a_far", "c_tag", "b_near"]


def test_what_one_may_use_now_and_what_answers_automatically() -> None:
    scientist = make.scientist()
    usable, frozen, other = (make.dataset(name=name, title=name) for name in ("usable", "frozen", "other"))
    for dataset in (usable, frozen):
        make.grant(dataset, scientist)
    services.freeze(frozen, by=frozen.owner, reason="An incident.")
    shares.promise(other)
    assert found(by=scientist, show="usable") == ["usable"]
    assert found(by=scientist, show="granted") == ["frozen", "usable"]
    assert found(by=scientist, show="automatic") == ["other"]


def test_tags_are_kept_once_and_limited() -> None:
    dataset = make.dataset()
    changed = services.update(dataset, by=dataset.owner, tags=[" wages ", "Wages", "", "panel"])
    assert changed.tags == ["wages", "panel"]
    with pytest.raises(Exception, match="12"):
        services.update(dataset, by=dataset.owner, tags=[f"tag {number}" for number in range(13)])


def test_a_search_is_one_query(wages: Dataset) -> None:
    person = make.scientist()
    person.oversees  # noqa: B018 -- read now, not while queries are counted
    with CaptureQueriesContext(connection) as queries:
        list(search.datasets(person, text="wage panel", show="automatic"))
    assert len(queries) <= 4
