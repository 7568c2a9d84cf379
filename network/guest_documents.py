"""What portals send each other about guests, each with a closed list of fields, and what guests may reach."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import Http404
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from common.rest.bodies import Body
from common.rest.problems import Invalid, flat

SCOPES = ("read", "ask", "work")
"""What a token of a guest's person can pass on. Guests have no duties, so the others would allow nothing."""
METHODS = ("GET", "POST", "PATCH", "DELETE")
HEADERS = ("Idempotency-Key", "If-Match", "If-None-Match")
"""Headers of a call that are passed on."""
ANSWERED_HEADERS = (
    "Content-Type", "Content-Disposition", "ETag", "Idempotent-Replayed", "Location", "Retry-After",
)  # fmt: skip
"""Headers of an answer that are passed on."""
LONGEST_PATH, LONGEST_QUERY, LONGEST_HEADER = 300, 4000, 300
MOST_BYTES = 5_000_000
"""Of an answer."""
NOT_MODIFIED = 304
LONGEST_BODY = 1_200_000
"""Bytes of a call: as many as the longest call of the API has."""
PATH = re.compile(r"[A-Za-z0-9_./-]+")
SHOWN = re.compile(r"[!-~]*")
READS, WRITES, BOTH = frozenset({"GET"}), frozenset({"POST"}), frozenset({"GET", "POST"})

REACHABLE: dict[str, frozenset[str]] = {
    "portal": READS,
    "me": READS,
    # Datasets that the guest has asked for
    "datasets": READS,
    "dataset": READS,
    "dataset_schema": READS,
    "dataset_mock_parquet": READS,
    "dataset_mock_csv": READS,
    "dataset_codebook": READS,
    "dataset_terms": READS,
    "dataset_template": READS,
    "access_requests": BOTH,
    "access_request": READS,
    "access_request_withdraw": WRITES,
    "grants": READS,
    "grant": READS,
    # Automatic answers
    "budgets": READS,
    "budget": READS,
    "budget_price": WRITES,
    "budget_trial": WRITES,
    "budget_answers": BOTH,
    "budget_batches": BOTH,
    "budget_batch_price": WRITES,
    "batch": READS,
    "budget_top_ups": BOTH,
    "budget_code_trials": BOTH,
    "code_trial": READS,
    "code_trial_stop": WRITES,
    "code_trial_answers": BOTH,
    "answers": READS,
    "answer": READS,
    "answer_file": READS,
    "answer_receipt": READS,
    "answer_withdraw": WRITES,
    "top_ups": READS,
    "top_up": READS,
    # Code for review, as its author
    "requests": BOTH,
    "request": frozenset({"GET", "PATCH", "DELETE"}),
    "request_history": READS,
    "request_snapshot": READS,
    "request_threads": READS,
    "request_findings": READS,
    "request_mock_runs": BOTH,
    "request_submit": WRITES,
    "request_copy": WRITES,
    "request_withdraw": WRITES,
    "request_runs": BOTH,
    "request_versions": BOTH,
    "version": READS,
    "version_diff": READS,
    "version_comments": BOTH,
    "version_threads": READS,
    "comment": READS,
    "comment_resolve": WRITES,
    "comment_unresolve": WRITES,
    "runs": READS,
    "run": READS,
    "run_cancel": WRITES,
    "run_log": READS,
    "run_outputs": READS,
    "releases": READS,
    "release": READS,
    "release_record": READS,
    "release_receipt": READS,
    "output": READS,
    "output_file": READS,
    "output_preview": READS,
    "environments": READS,
    "environment_default": READS,
    "environment": READS,
}
"""The operations of the REST API that guests may call, by the name of the address. Nothing else exists for them."""


class Line(serializers.CharField):
    """A text on one line, of characters that people see."""

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if not text.isprintable():
            raise ValidationError("It has a character that cannot be seen.")
        return text


class Text(serializers.CharField):
    """A text of several lines."""

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data).replace("\r\n", "\n")
        if not text.replace("\n", " ").replace("\t", " ").isprintable():
            raise ValidationError("It has a character that cannot be seen.")
        return text


class Octets(serializers.CharField):
    """Bytes, in base64."""

    def __init__(self, most: int, **options: Any) -> None:
        super().__init__(trim_whitespace=False, allow_blank=True, **options)
        self.most = most

    def to_internal_value(self, data: Any) -> bytes:  # type: ignore[override]  # what becomes of it
        try:
            content = base64.b64decode(super().to_internal_value(data), validate=True)
        except ValueError as bad:
            raise ValidationError("It is not base64.") from bad
        if len(content) > self.most:
            raise ValidationError(f"It has more than {self.most:,} bytes.")
        return content


class PersonId(serializers.RegexField):
    """By what a portal names one of its people to another one."""

    def __init__(self) -> None:
        super().__init__(r"\A[A-Za-z0-9_-]{16,64}\Z", trim_whitespace=False)


class ToldPerson(Body):
    """A person, as their portal tells of them."""

    id = PersonId()
    name = Line(max_length=100)
    mail = Line(max_length=254)
    affiliation = Line(max_length=200, allow_blank=True)


class Asking(Body):
    """That a person asks for access to a dataset."""

    person = ToldPerson()
    dataset = serializers.UUIDField()
    key = serializers.UUIDField()
    purpose = Text(max_length=4000)
    outputs = Text(max_length=4000)
    terms = serializers.IntegerField(min_value=1, max_value=2**31 - 1, allow_null=True)


class StateOf(Body):
    """Whose asking, and for what."""

    person = PersonId()
    dataset = serializers.UUIDField()


class ApiCall(Body):
    """A call of the REST API in the name of a guest. `body`: its JSON, or null for none."""

    person = PersonId()
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES), max_length=len(SCOPES))
    method = serializers.ChoiceField(METHODS)
    path = serializers.CharField(max_length=LONGEST_PATH, trim_whitespace=False)
    query = serializers.CharField(max_length=LONGEST_QUERY, trim_whitespace=False, allow_blank=True)
    headers = serializers.DictField(
        child=serializers.CharField(max_length=LONGEST_HEADER, trim_whitespace=False)
    )
    body = Octets(LONGEST_BODY, allow_null=True)


class Answered(Body):
    """What the other portal says of an asking."""

    state = serializers.CharField(max_length=20)
    reason = Text(max_length=4000, allow_blank=True)


class Offered(Body):
    """A dataset of the other portal, and the terms that have to be accepted."""

    title = Line(max_length=200)
    terms = serializers.IntegerField(min_value=1, max_value=2**31 - 1, allow_null=True)
    terms_text = Text(max_length=20_000, allow_blank=True, trim_whitespace=False)


class ApiAnswer(Body):
    """The answer to a call of the REST API."""

    status = serializers.IntegerField(min_value=200, max_value=599)
    headers = serializers.DictField(
        child=serializers.CharField(max_length=2000, trim_whitespace=False, allow_blank=True)
    )
    content = Octets(MOST_BYTES)

    def validate_status(self, status: int) -> int:
        """Refuse redirects: the API has none, and a portal must not lead people away from another one."""
        if 300 <= status < 400 and status != NOT_MODIFIED:
            raise ValidationError("It is a redirect.")
        return status


def read(kind: type[Body], document: object) -> dict[str, Any]:
    """Return the checked fields of a document. Raises Invalid."""
    given = kind(data=document)
    if not given.is_valid():
        place, texts = next(iter(flat(given.errors).items()))
        raise Invalid(f"{place[:100]}: {texts[0]}", place=place[:100])
    return dict(given.validated_data)


def place_of(method: str, path: str, query: str, headers: Mapping[str, str]) -> ResolverMatch:
    """Return the operation of the REST API that a guest may call. Raises Http404 for every other address or method,
    and Invalid for a query or a header that is not passed on.

    A path counts only in the one way in which the portal itself writes it.
    """
    if not PATH.fullmatch(path) or not path.startswith(settings.API):
        raise Http404
    try:
        match = resolve(path)
    except Resolver404 as nothing:
        raise Http404 from nothing
    name = match.url_name or ""
    if match.namespaces != ["api"] or method not in REACHABLE.get(name, ()):
        raise Http404
    if reverse(f"api:{name}", args=match.args, kwargs=match.kwargs) != path:
        raise Http404
    if not SHOWN.fullmatch(query) or "#" in query or len(query) > LONGEST_QUERY:
        raise Invalid("The query has characters that have to be written with a percent sign, or is too long.")
    if not set(headers) <= set(HEADERS) or not all(SHOWN.fullmatch(text) for text in headers.values()):
        raise Invalid(f"These headers are passed on, and no others: {', '.join(HEADERS)}.")
    return match
