"""The addresses of the network in the REST API."""

from django.urls import path

from network.api import catalogue, guests, portals

urlpatterns = [
    path("network/portals/", portals.OtherPortals.as_view(), name="network_portals"),
    path("network/portals/<uuid:pk>/", portals.OtherPortal.as_view(), name="network_portal"),
    path("network/datasets/", catalogue.RemoteDatasets.as_view(), name="remote_datasets"),
    path("network/datasets/<uuid:pk>/", catalogue.RemoteDataset.as_view(), name="remote_dataset"),
    path(
        "network/datasets/<uuid:pk>/mock/<slug:table>.parquet",
        catalogue.RemoteMock.as_view(),
        name="remote_mock",
    ),
    path("network/portals/<uuid:pk>/api/<path:rest>", guests.PortalApi.as_view(), name="network_portal_api"),
    path("network/askings/", guests.Askings.as_view(), name="network_askings"),
    path("network/askings/<uuid:pk>/", guests.Asking.as_view(), name="network_asking"),
]
