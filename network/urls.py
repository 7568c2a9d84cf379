"""Addresses of the pages about other portals."""

from django.urls import URLPattern, URLResolver, path

from network.views import wireguard, witnesses

app_name = "network"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", wireguard.page, name="list"),
    path("alarms/", witnesses.alarms, name="alarms"),
    path("alarms/<uuid:pk>/seen/", witnesses.mark_seen, name="mark_alarm"),
    path("wireguard/", wireguard.page, name="wireguard"),
    path("wireguard/weir.conf", wireguard.download, name="wireguard_file"),
]
