"""Addresses of the pages about other portals."""

from django.urls import path

from network.views import (
    catalogue,
    elsewhere,
    guests,
    introductions,
    listings,
    own,
    peers,
    wireguard,
    witnesses,
)

app_name = "network"
urlpatterns = [
    path("", peers.peer_list, name="list"),
    path("set-up/", own.set_up, name="set_up"),
    path("set-up/kept/", own.keep, name="keep"),
    path("identity/", own.page, name="identity"),
    path("identity/rename/", own.rename, name="rename"),
    path("identity/directory/", own.be_directory, name="be_directory"),
    path("identity/rotate/", own.rotate, name="rotate"),
    path("identity/recover/", own.recover, name="recover"),
    path("introduce/", introductions.introduce, name="introduce"),
    path("introduce/confirm/", introductions.confirm, name="confirm"),
    path("peers/<uuid:pk>/", peers.peer, name="peer"),
    path("peers/<uuid:pk>/call/", peers.call_now, name="call_now"),
    path("peers/<uuid:pk>/ask-again/", introductions.ask_again, name="ask_again"),
    path("peers/<uuid:pk>/dismiss/", introductions.dismiss, name="dismiss"),
    path("peers/<uuid:pk>/compare/", peers.compare, name="compare"),
    path("peers/<uuid:pk>/change/", peers.change, name="change"),
    path("peers/<uuid:pk>/suspend/", peers.suspend, name="suspend"),
    path("peers/<uuid:pk>/resume/", peers.resume, name="resume"),
    path("peers/<uuid:pk>/remove/", peers.remove, name="remove"),
    path("alarms/", witnesses.alarms, name="alarms"),
    path("alarms/<uuid:pk>/seen/", witnesses.mark_seen, name="mark_alarm"),
    path("wireguard/", wireguard.page, name="wireguard"),
    path("wireguard/weir.conf", wireguard.download, name="wireguard_file"),
    path("find/", catalogue.find, name="find"),
    path("find/<uuid:pk>/", catalogue.dataset, name="remote_dataset"),
    path("find/<uuid:pk>/mock/<slug:table>/", catalogue.mock, name="remote_mock"),
    path("listings/<uuid:pk>/", listings.listing, name="listing"),
    path("elsewhere/", elsewhere.elsewhere, name="elsewhere"),
    path("elsewhere/ask/<uuid:pk>/<uuid:dataset>/", elsewhere.ask, name="ask_elsewhere"),
    path("elsewhere/<uuid:pk>/refresh/", elsewhere.refresh, name="refresh_elsewhere"),
    path("guests/", guests.guests, name="guests"),
    path("guests/<uuid:pk>/admit/", guests.admit, name="admit_guest"),
    path("guests/<uuid:pk>/refuse/", guests.refuse, name="refuse_guest"),
]
