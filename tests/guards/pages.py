"""Every page of the portal, read from its URL configuration."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from django.apps import apps
from django.urls import URLPattern, URLResolver, get_resolver

WORDS = {"table": "wages", "form": "csv"}
"""Arguments that are neither an id nor a number, with what exists in tests' datasets."""

KINDS = {
    "access": "AccessRequest", "answers": "Answer", "ask": "Peer",
    "askings": "AskedElsewhere", "audit": "Entry", "batches": "Batch",
    "budgets": "Budget", "catalogue": "Dataset", "comments": "Comment",
    "elsewhere": "AskedElsewhere", "guests": "Admission",
    "datasets": "Dataset", "environments": "CodeEnvironment", "grants": "Grant", "invitations": "Invitation",
    "find": "RemoteDataset", "listings": "Dataset", "alarms": "LogAlarm", "network/datasets": "RemoteDataset",
    "new": "Dataset", "notifications": "Notification", "outputs": "Output", "people": "User", "registrations": "User",
    "peers": "Peer", "portals": "Peer",
    "releases": "Release", "requests": "CodeRequest", "reviewers": "DatasetReviewer", "revisions": "Revision",
    "runs": "Run", "tables": "Table", "tokens": "AccessToken", "top-ups": "TopUp", "trials": "CodeTrial",
    "studies": "Study", "joint-answers": "JointAnswer",
    "code-trials": "CodeTrial", "uploads": "Upload", "versions": "Version", "workers": "Worker",
}  # fmt: skip
"""What a page is about, by the word before the id in its address, or by two if one does not tell."""

BEFORE_AN_ID = re.compile(r"(network/datasets|[\w-]+)/(?:<uuid|\{id\})")
"""These words, in routes and in the paths of the API's description."""


def word_of(route: str) -> str:
    """Return the word of KINDS in an address, or ""."""
    found = BEFORE_AN_ID.search(route)
    return found[1] if found else ""


NAMED_BY = {"Entry": "key"}
"""What names an object in addresses, if that is not its primary key."""


@dataclass(frozen=True)
class Page:
    """One URL: its route, and the converter of each argument in it."""

    route: str
    name: str
    arguments: tuple[tuple[str, str], ...]

    def path(self, *, uuid: UUID) -> str:
        """The URL with every argument filled in, by its name or its kind."""
        route = self.route
        for argument, converter in self.arguments:
            kind = converter.removesuffix("Converter").lower()
            value = {"uuid": str(uuid), "int": "1"}.get(kind) or WORDS.get(argument, "nothing")
            for spelt in (f"<{kind}:{argument}>", f"<str:{argument}>", f"<{argument}>"):
                route = route.replace(spelt, value)
        return "/" + route

    @property
    def app(self) -> str:
        return self.route.partition("/")[0]

    @property
    def takes_an_object(self) -> bool:
        return any(converter == "UUIDConverter" for _, converter in self.arguments)

    @property
    def kind(self) -> str:
        """The name of the model of the object that the page is about."""
        return KINDS[word_of(self.route)]

    def objects(self, most: int = 20) -> list[UUID]:
        """Return what names the objects in the database that the page is about, in the order of their keys."""
        model = next(model for model in apps.get_models() if model.__name__ == self.kind)
        named = model._default_manager.order_by("pk").values_list(NAMED_BY.get(self.kind, "pk"), flat=True)
        return list(named[:most])


API, DOCS = "api/", "api/v1/docs/"
"""What the addresses of the REST API begin with: operations, which test_api goes through; and of its few pages."""


def every_page() -> list[Page]:
    return [page for page in _every_address() if not _is_operation(page)]


def every_endpoint() -> list[Page]:
    """The addresses of the REST API, but for the one that answers what does not exist."""
    return [page for page in _every_address() if _is_operation(page) and page.name != "api:nothing"]


def _is_operation(page: Page) -> bool:
    return page.route.startswith(API) and not page.route.startswith(DOCS)


def _every_address() -> list[Page]:
    return list(_walk(get_resolver().url_patterns, Page("", "", ())))


def _walk(patterns: list[URLPattern | URLResolver], above: Page) -> Iterator[Page]:
    for item in patterns:
        route = above.route + str(item.pattern).replace("^", "").replace(r"\Z", "")
        arguments = tuple((name, type(kind).__name__) for name, kind in item.pattern.converters.items())
        here = Page(route, above.name, above.arguments + arguments)
        if isinstance(item, URLResolver):
            below = f"{item.namespace}:" if item.namespace else ""
            yield from _walk(item.url_patterns, replace(here, name=above.name + below))
        elif "(?P<" not in route:  # allauth's keys that come by mail, its only regular expressions
            yield replace(here, name=above.name + (item.name or ""))
