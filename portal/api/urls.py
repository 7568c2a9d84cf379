"""The addresses of the REST API: those of every app, and the portal's own."""

from django.urls import include, path, re_path

from portal.api import views

app_name = "api"
urlpatterns = [
    path("", views.Portal.as_view(), name="portal"),
    path("", include("accounts.api.urls")),
    re_path("", views.Nothing.as_view(), name="nothing"),
]
