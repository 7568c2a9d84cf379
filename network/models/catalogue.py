"""What portals show each other of their datasets: who sees one of ours, and what was last read of theirs."""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import User
from common.models import BaseModel
from datasets.declarations.schema import TableSchema
from datasets.models import Dataset
from network import entries
from network.models.peers import Peer


class ListingQuerySet(models.QuerySet["Listing"]):
    def shown_to(self, peer: Peer) -> "ListingQuerySet":
        """Return the listings of datasets that a portal sees now: published ones, open to be found, with a revision."""
        wanted = Q(audience=Listing.Audience.EVERY) | Q(audience=Listing.Audience.CHOSEN, peers=peer)
        shown = Q(
            dataset__state=Dataset.State.PUBLISHED,
            dataset__discoverable=True,
            dataset__revisions__state="published",
        )
        return self.filter(wanted, shown).distinct()


class Listing(BaseModel):
    """Which other portals see what is public about a dataset. Without a listing, none does."""

    class Audience(models.TextChoices):
        NOBODY = "nobody", "No other portal"
        CHOSEN = "chosen", "The portals chosen below"
        EVERY = "every", "Every portal that this one is connected to, now or later"

    dataset = models.OneToOneField(Dataset, on_delete=models.PROTECT, related_name="listing")
    audience = models.CharField(max_length=10, choices=Audience, default=Audience.NOBODY)
    peers = models.ManyToManyField(Peer, blank=True, related_name="+")
    """The portals chosen. They count while the audience is CHOSEN and they are active."""

    objects: ClassVar[models.Manager["Listing"]] = ListingQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Listing of {self.dataset}"

    @property
    def chosen(self) -> list[Peer]:
        """The portals chosen; none while it is not stored."""
        return [] if self._state.adding else list(self.peers.all())


class Catalogue(BaseModel):
    """When the datasets of a peer were last read, and whether that failed since."""

    peer = models.OneToOneField(Peer, on_delete=models.CASCADE, related_name="catalogue")
    etag = models.CharField(max_length=66, blank=True)
    """The ETag of the catalogue as it was last read, made of its bytes."""
    fetched_at = models.DateTimeField(null=True, blank=True)
    """When the peer last told, with a valid signature, what it shows."""
    left_off = models.PositiveIntegerField(default=0)
    """How many datasets more the peer shows than fit into its answer."""
    trouble = models.CharField(max_length=300, blank=True)
    """Why it could not be read since, in words for an admin. Empty: it could."""

    def __str__(self) -> str:
        return f"Catalogue of {self.peer}"


class RemoteDatasetQuerySet(models.QuerySet["RemoteDataset"]):
    def visible_to(self, user: User) -> "RemoteDatasetQuerySet":
        """Return what active peers list at present: all who have signed in may find it."""
        return self.filter(peer__state=Peer.State.ACTIVE, gone_at=None)


class RemoteDataset(BaseModel):
    """A dataset of a peer, as its catalogue last told. Everything in it is the peer's word."""

    peer = models.ForeignKey(Peer, on_delete=models.CASCADE, related_name="datasets")
    remote_id = models.UUIDField()
    name = models.CharField(max_length=63)
    title = models.CharField(max_length=200)
    summary = models.CharField(max_length=400, blank=True)
    tags = ArrayField(models.CharField(max_length=40), default=list, blank=True, size=12)
    document = models.JSONField(default=dict, blank=True)
    """The whole entry as `network.entries` has checked it; empty once it is gone."""
    words = models.TextField(blank=True)
    """Names and descriptions of its tables and columns, for the search."""
    seen_at = models.DateTimeField()
    """When the catalogue was read that first told this."""
    gone_at = models.DateTimeField(null=True, blank=True)
    """Since when the peer does not list it any more."""

    objects: ClassVar[models.Manager["RemoteDataset"]] = RemoteDatasetQuerySet.as_manager()

    class Meta:
        ordering = ["title"]
        constraints = [
            models.UniqueConstraint(fields=["peer", "remote_id"], name="one_row_per_remote_dataset")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def description(self) -> str:
        return str(self.document.get("description", ""))

    @property
    def institution(self) -> str:
        """Where its owner works, or "" if the peer does not say."""
        return str(self.document.get("institution", ""))

    @property
    def terms(self) -> dict[str, Any] | None:
        """The `number` and `text` of its terms of use, or None if there are none."""
        told: dict[str, Any] | None = self.document.get("terms")
        return told

    @property
    def revision(self) -> int:
        """The number of the revision that was published last."""
        return int(self.document["schema"]["revision"]["number"])

    @property
    def promise(self) -> dict[str, float] | None:
        """The `epsilon` and `delta` of its automatic answers, or None if there are none."""
        told = self.document.get("automatic")
        return {name: float(value) for name, value in told.items()} if told else None

    @property
    def tables_declared(self) -> tuple[TableSchema, ...]:
        """Its public schema."""
        return entries.tables_of(self.document)

    @property
    def sampled_epsilons(self) -> dict[str, float]:
        """What mock data cost that is drawn from a private synthetic table, as an epsilon by table."""
        told = self.document.get("schema", {}).get("sampled_mocks", [])
        return {each["table"]: float(each["epsilon"]) for each in told}
