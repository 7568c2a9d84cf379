"""The addresses of accounts in the REST API."""

from django.urls import path

from accounts.api import me

urlpatterns = [
    path("me/", me.Me.as_view(), name="me"),
    path("me/tokens/", me.Tokens.as_view(), name="tokens"),
    path("me/tokens/<uuid:pk>/", me.Token.as_view(), name="token"),
]
