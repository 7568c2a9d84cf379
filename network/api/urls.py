"""The addresses of other portals in the REST API."""

from django.urls import path

from network.api import guests

urlpatterns = [
    path("network/portals/", guests.OtherPortals.as_view(), name="network_portals"),
    path("network/portals/<uuid:pk>/", guests.OtherPortal.as_view(), name="network_portal"),
    path("network/portals/<uuid:pk>/api/<path:rest>", guests.PortalApi.as_view(), name="network_portal_api"),
    path("network/askings/", guests.Askings.as_view(), name="network_askings"),
    path("network/askings/<uuid:pk>/", guests.Asking.as_view(), name="network_asking"),
]
