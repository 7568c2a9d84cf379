"""Portals that a directory names, and that this portal does not know yet."""

from django.db import models

from common.models import BaseModel
from network.models.peers import Peer


class SuggestedPortal(BaseModel):
    """A portal that a directory works with, by its word alone: whoever introduces it compares the fingerprint."""

    directory = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="suggestions")
    url = models.CharField(max_length=200)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["name", "url"]
        constraints = [
            models.UniqueConstraint(fields=["directory", "url"], name="a_directory_names_a_portal_once")
        ]

    def __str__(self) -> str:
        return self.name
