"""Endpoints: classes whose methods are operations. An operation checks the call, calls one service and serializes.

    class Requests(Endpoint):
        @lists(RequestItem, filters=RequestFilters)
        def get(self, call): return CodeRequest.objects.known_to(call.user)

        @creates(RequestItem, scope="work", body=NewRequest, again=request_of)
        def post(self, call, body): return services.new_request(body["dataset"], by=call.user)

Checks are made in this order: who calls, how often, what the token allows, what the body contains. Rules about
people and objects are the services' affair.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC
from functools import wraps
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, cast
from uuid import UUID, uuid4

from django.db import transaction
from django.http import HttpResponseBase, QueryDict, RawPostDataException
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django_filters import FilterSet
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, UnsupportedMediaType
from rest_framework.response import Response
from rest_framework.views import APIView

from common.locks import one_at_a_time
from common.rest import clients, etags, keys, rates, schema
from common.rest import lists as pages
from common.rest.bodies import BODY_LIMIT, Body, CompactJSONRenderer, Item, Parameters, PlainJSONParser
from common.rest.grants import Call, Scope, require_scope
from common.rest.problems import EtagMissing, Invalid, Stale

Mark = Callable[[Callable[..., Any]], Any]
"""A decorator of a method of an endpoint."""
LIVE_HEADER = "Weir-Live"
"""Names, to the server around Django alone, the caller and then the objects whose changes they want to hear of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is checked before an operation begins. `scope` None: no token has it; several: one of them is enough to
    begin. `confirms`: a step for which the person must have confirmed their identity recently. `is_open`: nobody has
    to be signed in."""

    scope: Scope = "read"
    rate: str = "reads"
    confirms: str = ""
    is_open: bool = False


class Endpoint(APIView):
    """One address of the API. Every method of a subclass is an operation; a test checks that."""

    renderer_classes = [CompactJSONRenderer]
    parser_classes = [PlainJSONParser]
    metadata_class = None
    schema = schema.OperationSchema()
    body_limit = BODY_LIMIT

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Answer with times in UTC, and read days as days in UTC, whatever the person's own time zone is."""
        with timezone.override(UTC):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Check whatever does not depend on the object. Raises a refusal, which becomes a problem."""
        super().initial(request, *args, **kwargs)
        call = cast("Call", request)
        operation = operation_of(self, call.method or "")
        clients.check_version(call)
        rates.admit(call, operation.rate if operation else "reads")
        if operation is None:
            return
        if not operation.is_open and not call.user.is_authenticated:
            raise NotAuthenticated
        if not operation.is_open:
            require_scope(call, operation.scope)
        if operation.confirms and call.auth is not None:
            call.auth.confirm(operation.confirms)

    def perform_authentication(self, request: Any) -> None:
        """Find out who calls. What signs nobody in is counted by address, since trying costs a query."""
        try:
            super().perform_authentication(request)
        except AuthenticationFailed:
            rates.admit_failure(request)
            raise

    def perform_content_negotiation(self, request: Any, force: bool = False) -> Any:  # noqa: FBT001, FBT002 -- REST framework's
        """Choose JSON, also for a call that accepts only the media type of the file that it asks for."""
        handler = getattr(self, str(request.method).lower(), None)
        described: schema.Described = getattr(handler, "described", schema.Described())
        return super().perform_content_negotiation(request, force or bool(described.media_types))

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Give what was read an ETag: a keyed hash of the bytes that this person gets."""
        response = super().finalize_response(request, response, *args, **kwargs)
        patch_vary_headers(response, ["Authorization", "Cookie"])
        if (
            request.method in {"GET", "HEAD"}
            and isinstance(response, Response)
            and response.status_code == 200
        ):
            response.add_post_render_callback(
                lambda rendered: etags.tag(request, rendered, keep=LIVE_HEADER in rendered)
            )
        return response


def operation_of(endpoint: APIView, method: str) -> Operation | None:
    """Return the operation behind a method of an endpoint, or None if there is none."""
    name = "get" if method == "HEAD" else method.lower()
    return getattr(getattr(endpoint, name, None), "operation", None)


def reads(
    answer: type[Item],
    *,
    live: Callable[[Any], str] | None = None,
    parameters: type[Parameters] | None = None,
    **checks: Any,
) -> Mark:
    """Mark a GET that returns one object. `live(object)` is the key of what a caller may wait for, or ""."""
    known = _names_of(parameters)

    def decorated(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def get(view: Endpoint, request: Call, **kwargs: Any) -> Response:
            _no_parameters(request, known=known)
            found = method(view, request, **kwargs)
            return _sent(answer, found, request, live=live)

        described = schema.Described(answer=answer, waits=live is not None, parameters=parameters)
        return as_operation(get, Operation(**checks), described)

    return decorated


def lists(
    answer: type[Item],
    *,
    filters: type[FilterSet] | None = None,
    order: Sequence[str] = pages.NEWEST,
    **checks: Any,
) -> Mark:
    """Mark a GET that returns a page of the queryset that the method returns."""

    def decorated(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def get(view: Endpoint, request: Call, **kwargs: Any) -> Response:
            rows = method(view, request, **kwargs)
            items, following = pages.page_of(request, rows, order=order, filters=filters)
            data = answer(items, many=True, context={"call": request}).data
            return Response({"items": data, "next": following})

        described = schema.Described(answer=answer, is_list=True, filters=filters)
        return as_operation(get, Operation(**checks), described)

    return decorated


def creates(  # noqa: PLR0913 -- each part is named where an operation is defined
    answer: type[Item],
    *,
    again: Callable[[Call, UUID], Any],
    body: type[Body] | None = None,
    at: str = "",
    status: Callable[[Any], int] = lambda made: HTTPStatus.CREATED,
    ready: int = HTTPStatus.CREATED,
    live: Callable[[Any], str] | None = None,
    hands_key: bool = False,
    headers: Mapping[str, schema.Header] = MappingProxyType({}),
    **checks: Any,
) -> Mark:
    """Mark a POST that makes an object. It takes an Idempotency-Key.

    The object and the key's row are written in one transaction; with `hands_key`, the method gets `key` and runs in no
    transaction, because the service behind it opens its own. `again(call, pk)` returns what was made, for a call that
    is repeated; it takes the same care of what the person may see as a GET. `at` names the object's address; `ready` is
    the status, for the description, of an object that nobody has to wait for. `headers` are those that the method
    reads: with other values, a call is another call.
    """

    def decorated(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def post(view: Endpoint, request: Call, **kwargs: Any) -> Response:
            given = keys.key_of(request)
            content = content_of(request, headers)
            fields = _fields(request, body)
            handed = {"key": given or uuid4()} if hands_key else {}

            def act() -> Any:
                return method(view, request, *fields, **handed, **kwargs)

            replayed = False
            if given is None:
                made = act()
            else:
                made, old = (keys.handed if hands_key else keys.once)(request, given, content, act)
                replayed = made is None
                made = again(request, old) if old is not None else made
            response = _sent(answer, made, request, status=status(made), live=live)
            if at:
                response["Location"] = address_of(at, made)
            if replayed:
                response["Idempotent-Replayed"] = "true"
            return response

        described = schema.Described(
            answer=answer,
            body=body,
            status=ready,
            takes_key=True,
            waits=live is not None,
            headers=headers,
        )
        return as_operation(post, Operation(**_changing(checks)), described)

    return decorated


def acts(
    answer: type[Item] | None,
    *,
    body: type[Body] | None = None,
    status: int = HTTPStatus.OK,
    **checks: Any,
) -> Mark:
    """Mark a POST, or a DELETE, that does something with an object that exists. Without `answer`: 204."""

    def decorated(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def act(view: Endpoint, request: Call, **kwargs: Any) -> Response:
            result = method(view, request, *_fields(request, body), **kwargs)
            return _sent(answer, result, request, status=status)

        code = status if answer else HTTPStatus.NO_CONTENT
        return as_operation(
            act, Operation(**_changing(checks)), schema.Described(answer=answer, body=body, status=code)
        )

    return decorated


def changes(*, body: type[Body], durable: bool = False, **checks: Any) -> Mark:
    """Mark a PATCH. It wants the ETag of what was read as If-Match, and answers as GET does afterwards.

    Changes of one address wait for each other, so nobody's change is lost between the comparison and the writing. With
    `durable`, no transaction is around the method, because the service behind it opens one that must be outermost.
    """

    def decorated(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def patch(view: Any, request: Call, **kwargs: Any) -> Response:
            wanted = request.headers.get("If-Match", "")
            if not wanted:
                raise EtagMissing("Send the ETag of what you have read as If-Match.")
            fields = _fields(request, body, partial=True)
            with (
                one_at_a_time(etags.lock_of(request.path)),
                nullcontext() if durable else transaction.atomic(),
            ):
                if wanted != "*" and etags.now(view, request, kwargs) not in etags.given(wanted):
                    raise Stale("This has changed since you read it. Read it again, then change it.")
                method(view, request, *fields, **kwargs)
            return cast("Response", view.get(request, **kwargs))

        described = schema.Described(body=body, matches=True, of_get=True)
        return as_operation(patch, Operation(**_changing(checks)), described)

    return decorated


def sends(
    *media_types: str,
    parameters: type[Parameters] | None = None,
    filters: type[FilterSet] | None = None,
    **checks: Any,
) -> Mark:
    """Mark a GET (or a POST, if it is recorded) that sends a file: the method returns the response itself."""
    known = [*_names_of(parameters), *(filters.base_filters if filters else ())]

    def decorated(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def get(view: Endpoint, request: Call, **kwargs: Any) -> HttpResponseBase:
            _no_parameters(request, known=known)
            return cast("HttpResponseBase", method(view, request, **kwargs))

        described = schema.Described(media_types=media_types, parameters=parameters, filters=filters)
        return as_operation(get, Operation(**checks), described)

    return decorated


def speaks(
    *, takes: str = "", headers: Mapping[str, schema.Header] = MappingProxyType({}), **checks: Any
) -> Mark:
    """Mark a method of another protocol, such as a PATCH of tus: it reads `takes` and the `headers`, and answers 204.

    It returns the response itself.
    """

    def decorated(method: Callable[..., Any]) -> Any:
        @wraps(method)
        def answered(view: Endpoint, request: Call, **kwargs: Any) -> Response:
            _no_parameters(request)
            return cast("Response", method(view, request, **kwargs))

        described = schema.Described(takes=takes, headers=headers)
        return as_operation(answered, Operation(**_changing(checks)), described)

    return decorated


def address_of(name: str, made: Any) -> str:
    """Return the path of an object: `name` is its endpoint's, such as `api:request`."""
    from django.urls import reverse  # noqa: PLC0415 -- the map of addresses imports this module

    return reverse(name, args=[made.pk])


def as_operation(method: Callable[..., Any], operation: Operation, described: schema.Described) -> Any:
    method.operation = operation  # type: ignore[attr-defined]  # read by Endpoint.initial and by tests
    described = replace(described, is_open=operation.is_open)
    method.described = described  # type: ignore[attr-defined]  # read by the schema
    return method


def content_of(call: Call, headers: Iterable[str] = ()) -> bytes:
    """Return the body as it came, and these headers. Called before the body is parsed, which reads it."""
    try:
        body = bytes(call._request.body)  # noqa: SLF001 -- Django's request has it
    except RawPostDataException as read:  # by a middleware, because it is a form
        raise UnsupportedMediaType(call.content_type) from read
    return body + "".join(f"\n{name}: {call.headers.get(name, '')}" for name in headers).encode()


def _changing(checks: Mapping[str, Any]) -> dict[str, Any]:
    return {"rate": "changes", **checks}


def _fields(call: Call, body: type[Body] | None, *, partial: bool = False) -> list[Any]:
    """Return the validated body as a list of one dictionary, or of nothing if the operation takes no body."""
    _no_parameters(call)
    if body is None:
        if int(call.META.get("CONTENT_LENGTH") or 0) and call.data != {}:
            raise Invalid("This call takes no body. Send none, or {}.")
        return []
    given = {} if isinstance(call.data, QueryDict) else call.data
    if given is not call.data and int(
        call.META.get("CONTENT_LENGTH") or 0
    ):  # a form, which the CSRF check has read
        raise UnsupportedMediaType(call.content_type)
    fields = body(data=given, partial=partial, context={"call": call})
    fields.is_valid(raise_exception=True)
    return [dict(fields.validated_data)]


def parameters_of(call: Call, parameters: type[Parameters]) -> dict[str, Any]:
    """Return the query parameters of a call, checked. Raises a refusal."""
    given = parameters(data=call.query_params.dict())
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def _names_of(parameters: type[Parameters] | None) -> list[str]:
    return list(parameters().fields) if parameters else []


def _no_parameters(call: Call, known: Sequence[str] = ()) -> None:
    if extra := sorted(set(call.query_params) - set(known)):
        takes = f"The parameters are: {', '.join(sorted(known))}." if known else "It takes none."
        raise Invalid(f"“{extra[0][:100]}” is not a parameter of this address. {takes}")


def _sent(
    answer: type[Item] | None,
    found: Any,
    call: Call,
    *,
    status: int = HTTPStatus.OK,
    live: Callable[[Any], str] | None = None,
) -> Response:
    if answer is None:
        return Response(status=HTTPStatus.NO_CONTENT)
    response = Response(answer(found, context={"call": call}).data, status=status)
    if live is not None and "Prefer" in call.headers and (key := live(found)):
        response[LIVE_HEADER] = f"user:{call.user.pk},{key}"
    return response
