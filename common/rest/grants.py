"""What a call may do: everything the person may, by a session; what its token allows, by a token."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from rest_framework.request import Request

from common.errors import Denied
from common.http import found

if TYPE_CHECKING:
    from accounts.models import User

M = TypeVar("M", bound=Model)

SCOPES = {
    "read": "See what you see in the browser, mock data included, but no released files. Mark notifications as "
    "read, and revoke this token.",
    "ask": "Price questions and ask them, which spends your budgets. Ask for a larger budget.",
    "work": "Ask for access. Write requests, run them on mock data, submit and run them. Download released files.",
    "publish": "Change your datasets: files, declarations, revisions, access.",
    "budgets": "Change promises and budgets, and decide on top-ups.",
    "review": "Give verdicts, check outputs, release and recall them.",
    "audit": "Read and export the audit log that you may read.",
}
"""The scopes of a token and what each allows. A scope narrows what the person may do and never adds to it."""


Scope = str | tuple[str, ...] | None
"""What an operation needs: a scope, one of several (what the person is to the object decides which), or a session."""


class TokenScope(Denied):
    """The token does not allow this, whatever its person may do."""

    code = "token_scope"


class Grant(Protocol):
    """What authentication found out about a call besides its person."""

    @property
    def scopes(self) -> frozenset[str]: ...

    @property
    def is_token(self) -> bool: ...

    @property
    def token_id(self) -> UUID | None:
        """The token that the call was made with, if it was one."""

    @property
    def dataset_ids(self) -> Collection[UUID] | None:
        """The only datasets that the call may reach, or None for all."""

    def confirm(self, step: str) -> None:
        """Raise Denied unless the person has recently confirmed their identity for this step."""


class Call(Request):
    """A call of the API: a request of REST framework whose person and grant are known."""

    user: "User"
    auth: "Grant | None"


def require_scope(call: Call, scope: Scope) -> None:
    """Raise TokenScope unless the call's token has this scope. None: no token has it, only a browser's session."""
    if scope is None and call.auth is not None and call.auth.is_token:
        raise TokenScope("No access token can do this. Do it in the browser.")
    wanted = (scope,) if isinstance(scope, str) else scope or ()
    if not allows(call, *wanted):
        needs = " or ".join(f"“{name}”" for name in wanted)
        has = ", ".join(sorted(call.auth.scopes)) if call.auth else ""
        raise TokenScope(f"This needs a token with the scope {needs}. Yours has: {has}. Make another one.")


def allows(call: Call, *scopes: str) -> bool:
    """Return whether the call's token has one of these scopes. A session has all."""
    grant = call.auth
    return grant is None or not grant.is_token or not grant.scopes.isdisjoint(scopes)


def require_every_dataset(call: Call) -> None:
    """Raise TokenScope if the call's token reaches only some datasets: for what is of none of them, or of any."""
    if call.auth is not None and call.auth.dataset_ids is not None:
        raise TokenScope(
            "Your token reaches only some datasets, and this may be about others. Use another token."
        )


def within(call: Call, rows: "QuerySet[M]", dataset: str) -> "QuerySet[M]":
    """Return only rows of datasets that the call's token may reach; `dataset` is the path to the dataset's id."""
    ids = call.auth.dataset_ids if call.auth else None
    return rows if ids is None else rows.filter(Q(**{f"{dataset}__in": list(ids)}))


def one(call: Call, rows: "QuerySet[M]", *, dataset: str | None, **lookup: Any) -> M:
    """Return the one row that the call may reach, or raise Http404."""
    return found(rows if dataset is None else within(call, rows, dataset), **lookup)
