"""Addresses that other portals call. Every call is signed, but for introductions."""

from django.urls import path

from network.call_views import introductions

app_name = "calls"
urlpatterns = [path("peers", introductions.peers, name="peers")]
