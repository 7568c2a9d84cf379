"""The addresses of the network in the REST API."""

from django.urls import path

from network.api import portals

urlpatterns = [
    path("portals/", portals.OtherPortals.as_view(), name="other_portals"),
    path("portals/<uuid:pk>/", portals.OtherPortal.as_view(), name="other_portal"),
]
