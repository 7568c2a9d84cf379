"""Addresses of the pages about other portals."""

from django.urls import URLPattern, URLResolver, path

from network.views import elsewhere, guests

app_name = "network"
urlpatterns: list[URLPattern | URLResolver] = [
    path("elsewhere/", elsewhere.elsewhere, name="elsewhere"),
    path("elsewhere/ask/<uuid:pk>/<uuid:dataset>/", elsewhere.ask, name="ask_elsewhere"),
    path("elsewhere/<uuid:pk>/refresh/", elsewhere.refresh, name="refresh_elsewhere"),
    path("guests/", guests.guests, name="guests"),
    path("guests/<uuid:pk>/admit/", guests.admit, name="admit_guest"),
    path("guests/<uuid:pk>/refuse/", guests.refuse, name="refuse_guest"),
]
