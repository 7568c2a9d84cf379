"""Addresses that other portals call. Every call is signed; all other addresses are answered by `incoming.nothing`."""

from django.urls import URLPattern, URLResolver, path

from network.call_views import catalogue, directories, guests, introductions, own, witnesses

app_name = "calls"
urlpatterns: list[URLPattern | URLResolver] = [
    path("catalogue", catalogue.catalogue, name="catalogue"),
    path("catalogue/<uuid:pk>/mock/<slug:table>.parquet", catalogue.mock, name="catalogue_mock"),
    path("directory", directories.directory, name="directory"),
    path("peers", introductions.introduce, name="peers"),
    path("state", own.state, name="state"),
    path("log/add-checkpoint", witnesses.add_checkpoint, name="add_checkpoint"),
    path("log/seen", witnesses.seen, name="seen"),
    path("witness-key", witnesses.witness_key, name="witness_key"),
    path("guests", guests.ask, name="guests"),
    path("guests/state", guests.state, name="guest_state"),
    path("guests/datasets/<uuid:pk>", guests.offered_dataset, name="guest_dataset"),
    path("api", guests.api, name="api"),
]
