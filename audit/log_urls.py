"""Addresses of the signed log. All but one are open to everybody."""

from django.urls import path

from audit import log_views

app_name = "log"
urlpatterns = [
    path("", log_views.page, name="page"),
    path("ask/", log_views.ask, name="ask"),
    path("1/checkpoint", log_views.checkpoint, name="checkpoint"),
    path("1/key", log_views.key, name="key"),
    path("1/tile/<int:level>/<path:place>", log_views.tile, name="tile"),
    path("1/consistency/<int:old>/<int:new>", log_views.consistency, name="consistency"),
]
