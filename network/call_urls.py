"""Addresses that other portals call. Every call is signed; all other addresses are answered by `incoming.nothing`."""

from django.urls import URLPattern, URLResolver, path

from network.call_views import guests, introductions, own

app_name = "calls"
urlpatterns: list[URLPattern | URLResolver] = [
    path("peers", introductions.introduce, name="peers"),
    path("state", own.state, name="state"),
    path("guests", guests.ask, name="guests"),
    path("guests/state", guests.state, name="guest_state"),
    path("guests/datasets/<uuid:pk>", guests.offered_dataset, name="guest_dataset"),
    path("api", guests.api, name="api"),
]
