"""Addresses of studies that other portals call, below /net/1/. Every call is signed."""

from django.urls import URLPattern, URLResolver, path, re_path

from studies.call_views import joints, studies

app_name = "study_calls"
urlpatterns: list[URLPattern | URLResolver] = [
    path("studies/<uuid:pk>", studies.invitation, name="study"),
    path("studies/<uuid:pk>/end", studies.end, name="study_end"),
    path("studies/<uuid:pk>/participation", studies.participation, name="study_participation"),
    path("studies/<uuid:pk>/standing", studies.standing, name="study_standing"),
    path("joints", joints.prepare, name="joints"),
    re_path(r"^joints/(?P<sha256>[0-9a-f]{64})/collect$", joints.collect, name="joint_collect"),
    re_path(r"^joints/(?P<sha256>[0-9a-f]{64})/end$", joints.end, name="joint_end"),
]
