"""Addresses of studies that other portals call, below /net/1/. Every call is signed."""

from django.urls import URLPattern, URLResolver

app_name = "study_calls"
urlpatterns: list[URLPattern | URLResolver] = []
