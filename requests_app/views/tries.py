"""What a reviewer tries: the submitted code on mock data, with parameters of their own."""

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from common.http import UserRequest
from common.pages import key_of, show
from requests_app import queries, services
from requests_app.forms import TryForm
from requests_app.presentation import threads
from requests_app.views.review import page_of, readable_version, try_panel


@require_POST
def try_on_mock(request: UserRequest, pk: UUID) -> HttpResponse:
    version = readable_version(request, pk)
    form = TryForm(request.POST)
    if form.is_valid():
        services.try_on_mock(
            version, by=request.user, key=key_of(request), parameters=form.cleaned_data["parameters"]
        )
        if not request.htmx:
            return redirect(reverse("requests:review", args=[pk]) + threads.query_of(request) + "#try-panel")
    if request.htmx:
        runs = queries.last_mock_runs(version, request.user)
        context = {
            "version": version,
            "item": version.request,
            **try_panel(version, request.user, runs, form),
        }
        return show(request, "requests/parts/try-panel", context)
    context = {**page_of(request, version), "try_form": form}
    return show(request, "requests/review", context, status=400)
