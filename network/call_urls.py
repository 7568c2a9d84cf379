"""Addresses that other portals call. Every call is signed."""

from django.urls import URLPattern, URLResolver

app_name = "calls"
urlpatterns: list[URLPattern | URLResolver] = []
