"""Addresses of studies that other portals call, below /net/1/. Every call is signed."""

from django.urls import URLPattern, URLResolver, path

from studies.call_views import studies

app_name = "study_calls"
urlpatterns: list[URLPattern | URLResolver] = [
    path("studies/<uuid:pk>", studies.invitation, name="study"),
    path("studies/<uuid:pk>/end", studies.end, name="study_end"),
    path("studies/<uuid:pk>/participation", studies.participation, name="study_participation"),
    path("studies/<uuid:pk>/standing", studies.standing, name="study_standing"),
]
