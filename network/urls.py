"""Addresses of the pages about other portals."""

from django.urls import URLPattern, URLResolver, path

from network.views import catalogue, listings

app_name = "network"
urlpatterns: list[URLPattern | URLResolver] = [
    path("find/", catalogue.find, name="find"),
    path("find/<uuid:pk>/", catalogue.dataset, name="remote_dataset"),
    path("find/<uuid:pk>/mock/<slug:table>/", catalogue.mock, name="remote_mock"),
    path("listings/<uuid:pk>/", listings.listing, name="listing"),
]
