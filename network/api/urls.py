"""The addresses of the network in the REST API."""

from django.urls import path

from network.api import catalogue, portals

urlpatterns = [
    path("portals/", portals.OtherPortals.as_view(), name="other_portals"),
    path("portals/<uuid:pk>/", portals.OtherPortal.as_view(), name="other_portal"),
    path("network/datasets/", catalogue.RemoteDatasets.as_view(), name="remote_datasets"),
    path("network/datasets/<uuid:pk>/", catalogue.RemoteDataset.as_view(), name="remote_dataset"),
    path(
        "network/datasets/<uuid:pk>/mock/<slug:table>.parquet",
        catalogue.RemoteMock.as_view(),
        name="remote_mock",
    ),
]
