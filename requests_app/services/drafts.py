"""Create and save drafts, and show what a submission would bind."""

import json
import keyword
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from audit import log
from common import code_environments, live, plain_json, rows
from common.access import require
from common.errors import Conflict, Refused
from datasets import rules as dataset_rules
from datasets.models import Dataset, Revision
from datasets.queries import current_revision
from requests_app import rules
from requests_app.code import fingerprint
from requests_app.code.template import template_code
from requests_app.models import CodeRequest

LIMITS = {"title": 200, "code": 200_000, "purpose": 4000, "context": 4000, "outputs": 2000}
PARAMETERS_LIMIT = 10_000
CODE_LINES = 5_000
"""As many lines as a person can review and the review page can show."""


def new_request(dataset: Dataset, *, by: User, title: str = "") -> CodeRequest:
    """Create a draft on this dataset, with initial code that runs unchanged."""
    require(dataset_rules.may_use, by, dataset)
    revision = current_revision(dataset)
    with transaction.atomic():
        item = CodeRequest.objects.create(
            dataset=dataset,
            author=by,
            title=_bounded("title", title),
            code=template_code(revision),
            draft_saved_at=timezone.now(),
        )
        log.record("request.draft", by=by, on=item, dataset_id=dataset.pk, person_id=by.pk)
        live.changed("user", by.pk)
    return item


def copy_request(item: CodeRequest, *, by: User) -> CodeRequest:
    """Create a new request with a copy of this one's draft."""
    require(rules.is_author, by, item)
    words = {name: getattr(item, name) for name in ("code", "parameters", "purpose", "context", "outputs")}
    with transaction.atomic():
        fresh = new_request(item.dataset, by=by, title=f"Copy of {item.title}"[: LIMITS["title"]])
        return save_draft(fresh, by=by, number=fresh.draft_number, **words)


def draft_of(item: CodeRequest) -> dict[str, object]:
    """Return the initial values of the draft's form."""
    fields: dict[str, object] = {name: getattr(item, name) for name in LIMITS}
    return {
        **fields,
        "parameters": parameters_text(item.parameters),
        "environment": item.environment,
        "number": item.draft_number,
    }


def parameters_text(parameters: Mapping[str, object]) -> str:
    """Return parameters as a form shows them."""
    return json.dumps(parameters, indent=2, ensure_ascii=False) if parameters else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a submission would bind now, for the author to see before submitting."""

    sha256: str
    code_sha256: str
    revision: Revision
    environment: str
    environment_sha256: str
    parameters: Mapping[str, object]


def snapshot(item: CodeRequest) -> Snapshot:
    """Return everything that the draft's answer depends on, as it is now. Raises Refused for a retired environment."""
    revision = current_revision(item.dataset)
    if why := rules.environment_is_retired(item.environment):
        raise Refused(why)
    environment = code_environments.get(item.environment)
    return Snapshot(
        sha256=fingerprint.of(
            code=item.code,
            parameters=item.parameters,
            revision=str(revision.pk),
            revision_sha256=revision.sha256,
            environment=environment.name,
        ),
        code_sha256=fingerprint.of_code(item.code),
        revision=revision,
        environment=environment.name,
        environment_sha256=environment.sha256,
        parameters=item.parameters,
    )


def save_draft(item: CodeRequest, *, by: User, number: int, **fields: object) -> CodeRequest:
    """Save these fields of the draft. Raises Conflict, losing nothing, when another tab has saved since `number`."""
    values = {name: _checked(name, value) for name, value in fields.items()}
    with transaction.atomic():
        locked = rows.locked(item)
        require(rules.may_edit, by, locked)
        if number != locked.draft_number:
            raise Conflict("This draft has been saved in another tab. Your text is still on this page.")
        if locked.latest_id is not None and values.get("title", locked.title) != locked.title:
            raise Refused(
                "The title cannot change once a version has been submitted. Copy the request to use another title."
            )
        for name, value in values.items():
            setattr(locked, name, value)
        locked.draft_number += 1
        locked.draft_saved_at = timezone.now()
        locked.save(update_fields=[*values, "draft_number", "draft_saved_at"])
    return locked


def _checked(name: str, value: object) -> object:
    if name == "parameters":
        return checked_parameters(value)
    if name == "environment":
        return environment_on_offer(value)
    if name not in LIMITS or not isinstance(value, str):
        raise Refused(f"{name!r} is not a field of a draft, or its value is not text.")
    return _bounded(name, value.replace("\r\n", "\n") if name == "code" else value)


def environment_on_offer(value: object) -> str:
    """Return the name of an environment that new drafts can use, or the default; raise Refused for others."""
    name = str(value) or code_environments.DEFAULT
    code_environments.check_offered(name)
    return name


def _bounded(name: str, text: str) -> str:
    if len(text) > LIMITS[name]:
        raise Refused(f"The {name} is longer than {LIMITS[name]:,} characters. Shorten it.")
    if not plain_json.is_text(text):
        raise Refused(f"The {name} contains an invalid character. Remove it.")
    if name == "code" and text.count("\n") > CODE_LINES:
        raise Refused(f"The code is longer than {CODE_LINES:,} lines. Shorten it.")
    return text


def checked_parameters(value: object) -> dict[str, object]:
    """Return parameters that code can be run with: JSON values by names of arguments. Raises Refused for others."""
    if not isinstance(value, Mapping):
        raise Refused("Write the parameters as one JSON object.")
    try:
        plain_json.check(dict(value))
        text = json.dumps(value, ensure_ascii=False)
    except ValueError as bad:
        raise Refused(f"The parameters cannot be stored as JSON: {bad}.") from bad
    if len(text) > PARAMETERS_LIMIT:
        raise Refused(f"The parameters are longer than {PARAMETERS_LIMIT:,} characters. Shorten them.")
    for name in value:
        if not (isinstance(name, str) and name.isidentifier()) or keyword.iskeyword(name):
            raise Refused(f"{name!r} cannot name a parameter: it is not a valid argument name.")
    return dict(value)
