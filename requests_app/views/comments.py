"""Write, delete and resolve comments. htmx gets the threads of the line; a plain browser is redirected to it."""

from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from common.http import UserRequest, found
from common.pages import show
from requests_app import queries, services, visibility
from requests_app.forms import CommentForm
from requests_app.models import Comment, Version
from requests_app.presentation import threads
from requests_app.views.review import page_of, readable_version
from requests_app.visibility import Part, Viewer


@require_http_methods(["GET", "HEAD", "POST"])
def comment(request: UserRequest, pk: UUID) -> HttpResponse:
    version = readable_version(request, pk)
    if request.method != "POST":
        line = threads.number(request.GET.get("line"))
        return _line(request, version, line, CommentForm.on_line(line))
    line = threads.number(request.POST.get("line"))
    form = CommentForm.on_line(line, request.POST)
    if not form.is_valid():
        return _line(request, version, line, form)
    parent = _parent(version, form.cleaned_data["parent"])
    written = services.comment(
        version,
        by=request.user,
        text=form.cleaned_data["text"],
        line=form.cleaned_data["line"],
        parent=parent,
        private=form.cleaned_data["private"],
    )
    return _line(request, version, written.line, root=parent.pk if parent else None)


def _parent(version: Version, pk: UUID | None) -> Comment | None:
    return found(version.comments.all(), pk=pk) if pk else None


def _line(
    request: UserRequest,
    version: Version,
    line: threads.Line,
    form: CommentForm | None = None,
    *,
    root: UUID | None = None,
    part: Part | None = None,
) -> HttpResponse:
    """Respond with the threads of one line, and a form if one is requested, for the page that `root` is shown on.

    A form that is bound has errors. `part` is this person's part in the request, if it is known already.
    """
    if not request.htmx and form is not None and form.is_bound:
        context = {
            **page_of(request, version),
            "comment_at": line,
            "line_form" if line else "comment_form": form,
        }
        return show(request, "requests/review", context, status=400)
    page = _looked_at(request, version)
    viewer = _viewer(request, page, part)
    shown = threads.of(page, viewer, queries.earlier_than(page))
    elsewhere = page.pk != version.pk
    if elsewhere:
        line = next(
            (at for at, each in shown.by_line.items() if root in {thread.comment.pk for thread in each}), None
        )
    if not request.htmx:
        anchor = f"#L{line}" if line else "#earlier" if elsewhere else "#discussion"
        return redirect(reverse("requests:review", args=[page.pk]) + threads.query_of(request) + anchor)
    context = {
        "version": page,
        "line": line,
        "threads": shown.by_line.get(line, []),
        "earlier_threads": shown.earlier,
        "may_comment": viewer.is_author or viewer.is_reviewer,
        "is_author": viewer.is_author,
        "will_hold": visibility.is_held(viewer),
        "query": threads.query_of(request),
        "comment_form": form or (None if line or elsewhere else CommentForm()),
    }
    if elsewhere and line is None:
        return show(request, "requests/parts/earlier", context)
    return show(request, "requests/parts/thread-row" if line else "requests/parts/discussion", context)


def _looked_at(request: UserRequest, version: Version) -> Version:
    """Return the version whose page sent this request: threads of earlier versions are answered there too."""
    on = request.POST.get("on", "")
    if on in {"", str(version.pk)}:
        return version
    later = Version.objects.filter(request=version.request_id, number__gt=version.number)
    return readable_version(request, found(later, pk=on).pk)


def _viewer(request: UserRequest, version: Version, part: Part | None = None) -> Viewer:
    return visibility.viewer_of(version, request.user, list(version.reviews.all()), part=part)


def _comment(request: UserRequest, pk: UUID) -> tuple[Comment, Part]:
    """Return a comment that this person may read, on code that they may read, and their part in the request."""
    comment = found(Comment.objects.all(), pk=pk)
    version = readable_version(request, comment.version_id)
    part = visibility.part_of(version.request, request.user)
    if pk not in {readable.pk for readable in threads.readable(version, _viewer(request, version, part))}:
        raise Http404
    comment.version = version
    return comment, part


@require_POST
def drop(request: UserRequest, pk: UUID) -> HttpResponse:
    comment, part = _comment(request, pk)
    services.drop_comment(comment, by=request.user)
    return _line(request, comment.version, comment.line, root=comment.parent_id or comment.pk, part=part)


@require_POST
def resolve(request: UserRequest, pk: UUID) -> HttpResponse:
    comment, part = _comment(request, pk)
    services.resolve(comment, by=request.user)
    return _line(request, comment.version, comment.line, root=comment.parent_id or comment.pk, part=part)


@require_POST
def unresolve(request: UserRequest, pk: UUID) -> HttpResponse:
    comment, part = _comment(request, pk)
    services.unresolve(comment, by=request.user)
    return _line(request, comment.version, comment.line, root=comment.parent_id or comment.pk, part=part)
