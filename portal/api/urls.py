"""The addresses of the REST API: those of every app, and the portal's own."""

from django.urls import include, path, re_path

from portal.api import events, inbox, pages, views
from requests_app.api import template

app_name = "api"
urlpatterns = [
    path("", views.Portal.as_view(), name="portal"),
    path("", include("accounts.api.urls")),
    path("", include("audit.api.urls")),
    path("", include("datasets.api.urls")),
    path("", include("network.api.urls")),
    path("", include("studies.api.urls")),
    path("", include("privacy.api.urls")),
    path("", include("requests_app.api.urls")),
    path("datasets/<uuid:pk>/template/", template.CodeTemplate.as_view(), name="dataset_template"),
    path("inbox/", inbox.Inbox.as_view(), name="inbox"),
    path("schema/", views.Description.as_view(), name="schema"),
    path("docs/", views.docs, name="docs"),
    path("docs/errors/", pages.errors, name="errors"),
    path("events/", events.Events.as_view(), name="events"),
    re_path("", views.Nothing.as_view(), name="nothing"),
]
