"""Addresses that other portals call. Every call is signed."""

from django.urls import URLPattern, URLResolver, path

from network.call_views import catalogue

app_name = "calls"
urlpatterns: list[URLPattern | URLResolver] = [
    path("catalogue", catalogue.catalogue, name="catalogue"),
    path("catalogue/<uuid:pk>/mock/<slug:table>.parquet", catalogue.mock, name="catalogue_mock"),
]
