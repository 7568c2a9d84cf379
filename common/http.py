"""The edge of HTTP: typed requests, and refusals turned into pages."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import DisallowedHost, ObjectDoesNotExist, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.utils.cache import patch_cache_control
from django.utils.http import url_has_allowed_host_and_scheme

from common import plain_json
from common.admission import Busy
from common.errors import Refused

if TYPE_CHECKING:
    from accounts.models import User

M = TypeVar("M", bound=Model)


class UserRequest(HttpRequest):
    """A request whose user has signed in: what every view behind the login middleware gets."""

    user: "User"
    htmx: object


def found(queryset: "QuerySet[M]", **lookup: object) -> M:
    """The one object of `queryset`, or 404: what a person may not know does not exist."""
    try:
        return queryset.get(**lookup)
    except (ObjectDoesNotExist, ValidationError, ValueError) as missing:
        raise Http404 from missing


def body_json(request: HttpRequest, *, limit: int = 1_000_000) -> dict[str, object]:
    """The request's JSON object; Refused when it is none or longer than `limit` bytes."""
    if len(request.body) > limit:
        raise Refused(f"This is longer than {limit:,} bytes.")
    try:
        value = plain_json.loads(request.body)
    except UnicodeDecodeError as bad:
        raise Refused("The body of this call is not JSON.") from bad
    except ValueError as bad:
        raise Refused(f"The body of this call is not JSON: {bad}.") from bad
    if not isinstance(value, dict):
        raise Refused("The body of this call is not a JSON object.")
    return value


HEADINGS = {
    402: "There is not enough budget left",
    403: "You may not do this",
    409: "Something changed in the meantime",
}


def back(request: HttpRequest) -> str:
    """The page of this portal that the person came from, or nothing."""
    origin = request.headers.get("Referer", "")
    try:
        host = request.get_host()
    except DisallowedHost:  # then nothing is, and this is asked by the page that says so
        return ""
    ours = url_has_allowed_host_and_scheme(origin, {host}, require_https=request.is_secure())
    here = request.method == "GET" and origin == request.build_absolute_uri()
    return origin if ours and not here else ""


def wants_json(request: HttpRequest) -> bool:
    """Whether a script asks rather than a person."""
    return "application/json" in request.headers.get("Accept", "")


def page_above(path: str) -> str:
    """The nearest address above this one at which there is something."""
    while path := path.rstrip("/").rpartition("/")[0]:
        try:
            resolve(f"{path}/")
        except Resolver404:
            continue
        return f"{path}/"
    return ""


def not_allowed(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Says that an address is not for this method: most often that it takes a form and shows no page."""
    takes = answer["Allow"]
    reason = (
        "This address takes a form that a page sends. It shows no page of its own."
        if request.method in {"GET", "HEAD"}
        else f"This address is not for {request.method}. It answers to {takes}."
    )
    if wants_json(request):
        said: HttpResponse = JsonResponse(
            {"code": "method_not_allowed", "detail": reason}, status=answer.status_code
        )
    else:
        context = {"reason": reason, "back": back(request) or page_above(request.path)}
        said = render(request, "errors/405.html", context, status=answer.status_code)
    said["Allow"] = takes
    return said


def refusal_as_json(refused: Refused) -> JsonResponse:
    said = JsonResponse({"code": refused.code, "detail": str(refused)}, status=refused.status)
    if isinstance(refused, Busy):
        said["Retry-After"] = str(refused.RETRY_SECONDS)
    return said


def busy(request: HttpRequest, why: Busy) -> HttpResponse:
    """Says when to come again. A page that was only to be looked at comes again by itself."""
    retries = request.method == "GET"
    context = {"reason": str(why), "retries": retries, "back": back(request)}
    said = render(request, "errors/busy.html", context, status=why.status)
    said["Retry-After"] = str(why.RETRY_SECONDS)
    if retries:
        said["Refresh"] = str(why.RETRY_SECONDS)
    return said


class PrivatePagesMiddleware:
    """No answer is kept by a browser or a proxy. Files that are the same for everybody are served before this."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        patch_cache_control(answer, no_store=True, private=True)
        return answer


class RefusalsMiddleware:
    """Turns a Refused raised by a service, and a method that is not taken, into a page, or into JSON for a script."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if isinstance(answer, HttpResponseNotAllowed) and not answer.content:
            return not_allowed(request, answer)
        return answer

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Refused):
            return None
        if wants_json(request):
            return refusal_as_json(exception)
        if isinstance(exception, Busy):
            return busy(request, exception)
        heading = HEADINGS.get(exception.status, "This was not done")
        context = {"reason": str(exception), "heading": heading, "back": back(request)}
        return render(request, "errors/refused.html", context, status=exception.status)
