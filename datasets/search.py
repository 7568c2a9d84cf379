"""Search of the catalogue: by words, by what a person has to do with a dataset, and in which order."""

import re
from typing import Any

from django.contrib.postgres.aggregates import StringAgg
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import Exists, F, Func, Max, OuterRef, QuerySet, Subquery, TextField, Value

from accounts.models import User
from datasets import hooks
from datasets.models import AccessRequest, Column, Dataset, Grant, Revision

Parts = tuple[Any, ...]

SHOWN = {
    "": "All that you can see",
    "usable": "I may use now",
    "automatic": "Answers automatically",
    "granted": "I have access",
    "asked": "I have asked",
    "reviewing": "I review",
    "mine": "My own",
}
SORTS = {"": "Best match, then title", "title": "Title", "newest": "Newest data"}
WORDS = 8
PUNCTUATION = r"[!-/:-@\[-`{-~]+"
LANGUAGE = "simple"
"""Postgres' configuration without stemming: descriptions are in many languages, and the beginnings of words match."""


def datasets(user: User, *, text: str = "", show: str = "", sort: str = "") -> QuerySet[Dataset]:
    """Return the matching datasets that this person may see, annotated with is_granted, is_asked and is_reviewer."""
    reviewed = Dataset.objects.reviewed_by(user).exclude(owner=user).order_by()
    grants = Grant.objects.live().filter(user=user)
    asked = AccessRequest.objects.pending().filter(scientist=user)
    found = with_words(Dataset.objects.visible_to(user).select_related("owner"), text)
    rows = narrowed(found, user, show).annotate(
        is_granted=Exists(grants.filter(dataset=OuterRef("pk"))),
        is_asked=Exists(asked.filter(dataset=OuterRef("pk"))),
        is_reviewer=Exists(reviewed.filter(pk=OuterRef("pk"))),
    )
    return _sorted(rows, sort, by_match=bool(words_of(text)))


def words_of(text: str) -> list[str]:
    """Return the first words of a text in lower case, each once. An underscore ends a word, as it does in Postgres."""
    return list(dict.fromkeys(re.findall(r"[^\W_]+", text.lower())))[:WORDS]


def with_words(rows: QuerySet[Dataset], text: str) -> QuerySet[Dataset]:
    """Return the datasets with words that begin with each of the first words of a text, annotated with their `rank`.

    Words of the title, the name, the tags, the summary, the description and the owner's name count, and those of the
    names and descriptions of published columns: what everybody may read who may see the dataset.
    """
    return matching(
        rows, text, title=("title", "name", joined_tags()), summary=("summary", "owner__name"),
        columns=(Subquery(_columns()),), description=("description",),
    )  # fmt: skip


def matching(
    rows: QuerySet[Any], text: str, *, title: Parts, summary: Parts, columns: Parts, description: Parts
) -> QuerySet[Any, Any]:
    """Return the rows with words that begin with each of the first words of a text, annotated with their `rank`.

    The parts are fields or expressions; words in earlier ones count for more. A text without words finds nothing.
    """
    words = words_of(text)
    if not words:
        return rows.none() if text.strip() else rows
    query = SearchQuery(" & ".join(f"{word}:*" for word in words), search_type="raw", config=LANGUAGE)
    document = (
        SearchVector(_words(*title), weight="A", config=LANGUAGE)
        + SearchVector(_words(*summary), weight="B", config=LANGUAGE)
        + SearchVector(_words(*columns), weight="C", config=LANGUAGE)
        + SearchVector(_words(*description), weight="D", config=LANGUAGE)
    )
    found: QuerySet[Any, Any] = rows.annotate(searched=document, rank=SearchRank(F("searched"), query))
    return found.filter(searched=query)


def joined_tags() -> Func:
    """Return the field `tags` as one text."""
    return Func(F("tags"), Value(" "), function="array_to_string", output_field=TextField())


def _words(*parts: Any) -> Func:
    """Return these texts as one without ASCII punctuation, which Postgres would read as signs, paths or addresses."""
    plain = (_spaced(*parts), Value(PUNCTUATION), Value(" "), Value("g"))
    return Func(*plain, function="regexp_replace", output_field=TextField())


def _spaced(*parts: Any) -> Func:
    return Func(Value(" "), *parts, function="concat_ws", output_field=TextField())


def _columns() -> QuerySet[Any, Any]:
    """Return a subquery for the names and descriptions of a dataset's published columns, as one text."""
    published = Column.objects.filter(
        table__revision__dataset=OuterRef("pk"), table__revision__state=Revision.State.PUBLISHED
    )
    text = _spaced("table__name", "name", "description")
    grouped = published.order_by().values("table__revision__dataset")
    return grouped.annotate(text=StringAgg(text, Value(" "), output_field=TextField())).values("text")


def narrowed(rows: QuerySet[Dataset], user: User, show: str) -> QuerySet[Dataset]:
    """Return the datasets of one kind in SHOWN, as seen by this person."""
    granted = Grant.objects.live().filter(user=user).values("dataset")
    match show:
        case "mine":
            return rows.filter(owner=user)
        case "reviewing":
            reviewed = Dataset.objects.reviewed_by(user).exclude(owner=user).order_by()
            return rows.filter(pk__in=reviewed.values("pk"))
        case "granted":
            return rows.filter(pk__in=granted)
        case "usable":
            return rows.filter(pk__in=granted, state=Dataset.State.PUBLISHED)
        case "automatic":
            return rows.filter(pk__in=hooks.answering_automatically())
        case "asked":
            asked = AccessRequest.objects.pending().filter(scientist=user)
            return rows.filter(pk__in=asked.values("dataset"))
        case _:
            return rows


def _sorted(rows: QuerySet[Dataset], sort: str, *, by_match: bool) -> QuerySet[Dataset]:
    if sort == "newest":
        rows = rows.annotate(published_at=Max("revisions__published_at"))
        return rows.order_by(F("published_at").desc(nulls_last=True), "title", "pk")
    matching = [F("rank").desc()] if by_match and sort != "title" else []
    return rows.order_by(*matching, "title", "pk")
