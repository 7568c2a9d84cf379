"""Addresses that other portals call. Every call is signed."""

from django.urls import URLPattern, URLResolver, path

from network.views import guest_calls

app_name = "calls"
urlpatterns: list[URLPattern | URLResolver] = [
    path("guests", guest_calls.ask, name="guests"),
    path("guests/state", guest_calls.state, name="guest_state"),
    path("guests/datasets/<uuid:pk>", guest_calls.offered_dataset, name="guest_dataset"),
    path("api", guest_calls.api, name="api"),
]
