"""HTTP helpers: typed requests, and refusals as pages or JSON."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from django.core.exceptions import DisallowedHost, ObjectDoesNotExist, ValidationError
from django.db.models import Model, QuerySet
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    JsonResponse,
)
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
    """Return the one object of `queryset`, or raise Http404: what a person may not see does not exist for them."""
    try:
        return queryset.get(**lookup)
    except (ObjectDoesNotExist, ValidationError, ValueError) as missing:
        raise Http404 from missing


def as_download(file: Path | BytesIO, *, name: str) -> FileResponse:
    """Send a file that somebody else has made, always as a download and never as a page."""
    content = file.open("rb") if isinstance(file, Path) else file
    response = FileResponse(
        content, as_attachment=True, filename=name, content_type="application/octet-stream"
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "no-store"
    return response


def as_csv(content: str, *, name: str) -> HttpResponse:
    """Send CSV that the portal has written, as a download."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type="text/csv", headers=headers)


def as_json(content: object, *, name: str) -> HttpResponse:
    """Return JSON that the portal has written, as a download."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return JsonResponse(content, json_dumps_params={"ensure_ascii": False, "indent": 1}, headers=headers)


PUBLIC = "public, max-age={}"
YEAR = 365 * 24 * 3600


def as_public(response: HttpResponse, *, seconds: int | None = None) -> HttpResponse:
    """Let browsers and proxies store what is the same for everybody: for ever, unless `seconds` are given."""
    response["Cache-Control"] = PUBLIC.format(f"{YEAR}, immutable" if seconds is None else seconds)
    return response


def body_json(request: HttpRequest, *, limit: int = 1_000_000) -> dict[str, object]:
    """Return the request's JSON object. Raises Refused if the body is something else or longer than `limit` bytes."""
    if len(request.body) > limit:
        raise Refused(f"The body of this request is longer than {limit:,} bytes. Send less.")
    try:
        value = plain_json.loads(request.body)
    except UnicodeDecodeError as bad:
        raise Refused("The body of this request is not JSON. Send a JSON object.") from bad
    except ValueError as bad:
        raise Refused(f"The body of this request is not JSON: {bad}. Send a JSON object.") from bad
    if not isinstance(value, dict):
        raise Refused("The body of this request is not a JSON object. Send one.")
    return value


HEADINGS = {
    402: "There is not enough budget left",
    403: "You may not do this",
    409: "Something changed in the meantime",
}


def back(request: HttpRequest) -> str:
    """Return the address of the portal's page that the person came from, or ""."""
    origin = request.headers.get("Referer", "")
    try:
        host = request.get_host()
    except DisallowedHost:  # no address is ours then; the error page for it calls this
        return ""
    ours = url_has_allowed_host_and_scheme(origin, {host}, require_https=request.is_secure())
    here = request.method == "GET" and origin == request.build_absolute_uri()
    return origin if ours and not here else ""


def wants_json(request: HttpRequest) -> bool:
    """Whether a script sent the request rather than a browser page."""
    return "application/json" in request.headers.get("Accept", "")


def page_above(path: str) -> str:
    """Return the nearest address above this one that has a view, or ""."""
    while path := path.rstrip("/").rpartition("/")[0]:
        try:
            resolve(f"{path}/")
        except Resolver404:
            continue
        return f"{path}/"
    return ""


def not_allowed(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Explain that an address does not take this method; most often it takes a form and has no page."""
    takes = answer["Allow"]
    reason = (
        "This address only accepts form submissions."
        if request.method in {"GET", "HEAD"}
        else f"This address does not take {request.method}. Use {takes}."
    )
    if wants_json(request):
        response: HttpResponse = JsonResponse(
            {"code": "method_not_allowed", "detail": reason}, status=answer.status_code
        )
    else:
        context = {"reason": reason, "back": back(request) or page_above(request.path)}
        response = render(request, "errors/405.html", context, status=answer.status_code)
    response["Allow"] = takes
    return response


def refusal_as_json(refused: Refused) -> JsonResponse:
    response = JsonResponse({"code": refused.code, "detail": str(refused)}, status=refused.status)
    if isinstance(refused, Busy):
        response["Retry-After"] = str(refused.RETRY_SECONDS)
    return response


def busy(request: HttpRequest, why: Busy) -> HttpResponse:
    """Return a page that says when to try again. After a GET, the page tries again by itself."""
    retries = request.method == "GET"
    context = {"reason": str(why), "retries": retries, "back": back(request)}
    response = render(request, "errors/busy.html", context, status=why.status)
    response["Retry-After"] = str(why.RETRY_SECONDS)
    if retries:
        response["Refresh"] = str(why.RETRY_SECONDS)
    return response


class PrivatePagesMiddleware:
    """Keep browsers and proxies from storing responses, but for those of `as_public`.

    Files that are the same for all are served before this.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if not answer.get("Cache-Control", "").startswith(PUBLIC.format("")):
            patch_cache_control(answer, no_store=True, private=True)
        return answer


class RefusalsMiddleware:
    """Turn a Refused that a view raises, and a method that is not allowed, into a page, or into JSON for a script."""

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
