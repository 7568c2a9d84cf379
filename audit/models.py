"""The append-only audit log. Entries contain text, not foreign keys, so that they outlive what they describe."""

from typing import TYPE_CHECKING, ClassVar

import pgtrigger
from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.utils.module_loading import import_string

from audit import chain
from audit.actions import ACTIONS, Action, Receiver
from audit.system import SYSTEM_DOMAIN
from crypto import notes, tree

if TYPE_CHECKING:
    from accounts.models import User

CHAIN_LOCK = 7_236_101

# At commit, one writer at a time adds its entries to the chain. Doing this late, in the database, keeps the lock
# short, makes it the last lock that a transaction takes, and covers rows inserted by raw SQL.
APPEND_LINK = f"""
PERFORM pg_advisory_xact_lock({CHAIN_LOCK});
INSERT INTO audit_link (entry_id, previous, hash)
SELECT NEW.id, last.hash, encode(sha256(convert_to(last.hash || NEW.payload, 'UTF8')), 'hex')
FROM (
    SELECT COALESCE((SELECT hash FROM audit_link ORDER BY position DESC LIMIT 1), repeat('0', 64)) AS hash
) AS last;
RETURN NULL;
"""  # noqa: S608 -- made of this file's own constant


class EntryQuerySet(models.QuerySet["Entry"]):
    """Who may read which part of the log."""

    def visible_to(self, user: "User") -> "EntryQuerySet":
        """Filter: everything for admins and auditors; for others what they did, and what happened on their datasets."""
        if user.oversees:
            return self
        owned = import_string(settings.AUDIT_SCOPE)(user)
        return self.filter(Q(actor_id=str(user.pk)) | Q(dataset_id__in=owned))


class Entry(models.Model):
    """One thing that happened: who did what to which object, and what changed."""

    id = models.BigAutoField(primary_key=True)
    key = models.UUIDField(unique=True, editable=False, db_default=RandomUUID())
    """Its id in addresses and exports: consecutive ids would reveal how many entries a reader may not see."""
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=60, db_index=True)
    actor_id = models.CharField(max_length=36, blank=True, db_index=True)
    actor = models.CharField(max_length=254)
    object_type = models.CharField(max_length=40)
    object_id = models.CharField(max_length=36, db_index=True)
    object_label = models.CharField(max_length=300)
    dataset_id = models.CharField(max_length=36, blank=True, db_index=True)
    person_id = models.CharField(max_length=36, blank=True, db_index=True)
    changes = models.JSONField(default=dict)
    detail = models.JSONField(default=dict)
    payload = models.TextField()

    objects: ClassVar[models.Manager["Entry"]] = EntryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        triggers = [
            pgtrigger.Protect(name="entry_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="entry_joins_the_chain",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func=APPEND_LINK,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor}: {self.action} {self.object_label}"

    @property
    def who(self) -> str:
        """The person's address, or the portal's name if it acted by itself."""
        return "Weir" if self.actor.endswith(SYSTEM_DOMAIN) else self.actor

    @property
    def words(self) -> str:
        """What happened, in words."""
        return self._listed.words

    @property
    def receiver(self) -> Receiver:
        """Who received something derived from the dataset by this."""
        return self._listed.receiver

    @property
    def _listed(self) -> Action:
        """What the list says of its action. Entries may be older than the list."""
        return ACTIONS.get(self.action, Action(self.action))

    @property
    def kind_of_object(self) -> str:
        """What its object is, in words."""
        return OBJECTS.get(self.object_type, self.object_type)

    @property
    def changes_in_words(self) -> list[tuple[str, str, str]]:
        """(field, old, new) of each change, as text for pages."""
        return [
            (FIELDS.get(name, name.replace("_", " ")), *(_in_words(value, of=name) for value in (old, new)))
            for name, (old, new) in self.changes.items()
        ]


OBJECTS = {
    "accessrequest": "request for access",
    "accesstoken": "access token",
    "codeenvironment": "code environment",
    "coderequest": "request",
    "datasetreviewer": "reviewer",
    "devicesignin": "sign-in of a program",
    "grant": "access",
    "ledgerline": "charge",
    "identity": "identity of this portal",
    "logkey": "key of the log",
    "peer": "another portal",
    "topup": "top-up",
    "user": "person",
}
"""The names of models that are not the words of the pages."""
FIELDS = {"mu": "size (μ)"}
NAMED = {"state", "verdict"}
"""Fields with one of a list of words, which are written with underscores."""


def _in_words(value: object, *, of: str = "") -> str:
    """Format a recorded value of the field `of` for people."""
    if of in NAMED and isinstance(value, str):
        return value.replace("_", " ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return "nothing" if value in (None, "") else str(value)


class Link(models.Model):
    """An entry's link in the hash chain. Written only by the database, at commit."""

    position = models.BigAutoField(primary_key=True)
    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="link")
    previous = models.CharField(max_length=64, unique=True)  # no link is ever followed by two
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]
        triggers = [
            pgtrigger.Protect(name="link_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.hash[:12]}"

    @property
    def is_intact(self) -> bool:
        """Whether the hash is that of the entry's text and the hash before it."""
        return chain.link(self.previous, self.entry.payload) == self.hash


class LogKey(models.Model):
    """A key that signs checkpoints. The private half is sealed: only a portal with the same secret key can sign."""

    origin = models.CharField(max_length=200)
    """The name of the log, and so of its keys."""
    public = models.BinaryField(max_length=tree.HASH)
    sealed = models.BinaryField()
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["origin"], condition=Q(retired_at__isnull=True), name="one_active_key_per_log"
            )
        ]
        triggers = [
            pgtrigger.Protect(name="log_key_is_kept", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="log_key_is_the_same",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("origin", "public", "created_at"),
            ),
        ]

    def __str__(self) -> str:
        return self.key.text

    @property
    def key(self) -> notes.Key:
        """The public key."""
        return notes.Key(self.origin, notes.SIGNATURE, bytes(self.public))


class Leaf(models.Model):
    """A leaf of the signed log: an entry, or nothing. From outside the two look alike, because of the salt."""

    index = models.BigIntegerField(primary_key=True)
    link = models.OneToOneField(Link, on_delete=models.PROTECT, null=True, related_name="leaf")
    salt = models.BinaryField(max_length=tree.HASH)

    class Meta:
        ordering = ["index"]
        triggers = [
            pgtrigger.Protect(name="leaf_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return str(self.index)


class Tile(models.Model):
    """A tile of the tree over the leaves: up to 256 hashes, side by side, to which more are added. See crypto.tree."""

    level = models.PositiveSmallIntegerField()
    number = models.BigIntegerField()
    data = models.BinaryField(max_length=tree.WIDTH * tree.HASH)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "number"], name="one_tile_per_place")]
        triggers = [
            pgtrigger.Protect(name="tile_is_kept", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="tile_only_grows",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(
                    "OLD.level <> NEW.level OR OLD.number <> NEW.number"
                    " OR substring(NEW.data FROM 1 FOR octet_length(OLD.data)) <> OLD.data"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.level}/{self.number}"


class CheckpointQuerySet(models.QuerySet["Checkpoint"]):
    """Which checkpoints somebody sees."""

    def newest(self) -> "Checkpoint | None":
        return self.order_by("-size").first()

    def visible_to(self, user: object) -> "CheckpointQuerySet":
        """Filter: all for admins and auditors; for everybody else, signed in or not, the public ones."""
        return self if getattr(user, "oversees", False) else self.filter(public=True)


class Checkpoint(models.Model):
    """What the log says about itself, signed: how many leaves it has, and the root over them."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=tree.HASH)
    note = models.TextField()
    at = models.DateTimeField()
    public = models.BooleanField()
    """Whether everybody may have it: one each hour. Others come with receipts alone."""
    key = models.ForeignKey(LogKey, on_delete=models.PROTECT, related_name="checkpoints")

    objects: ClassVar[CheckpointQuerySet] = CheckpointQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-size"]
        triggers = [
            pgtrigger.Protect(name="checkpoint_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.size}: {bytes(self.root).hex()[:12]}"

    @property
    def root_text(self) -> str:
        """The root as it is written in the note."""
        return self.note.split("\n", 3)[2]


class Cosignature(models.Model):
    """A witness's signature under a checkpoint: all that it had signed before is in the log up to there."""

    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="cosignatures")
    witness = models.CharField(max_length=300)
    """The text of its key."""
    line = models.CharField(max_length=400)
    """Its line in the note, with the line break."""
    at = models.DateTimeField()

    class Meta:
        ordering = ["witness"]
        constraints = [
            models.UniqueConstraint(fields=["checkpoint", "witness"], name="one_cosignature_per_witness")
        ]
        triggers = [
            pgtrigger.Protect(
                name="cosignature_is_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.checkpoint_id}"

    @property
    def name(self) -> str:
        """The witness's name."""
        return self.witness.partition("+")[0]


class MissingCheckpoint(models.Model):
    """A checkpoint that this portal has signed and does not have: the database was restored, or the log was rewritten.

    A witness has shown it. Only a key of this portal could sign it, so it is a fact and not the witness's word.
    """

    origin = models.CharField(max_length=200)
    size = models.BigIntegerField()
    note = models.TextField()
    witness = models.CharField(max_length=200)
    """The name of the portal that showed it first."""
    at = models.DateTimeField()

    class Meta:
        ordering = ["-size"]
        constraints = [
            models.UniqueConstraint(fields=["origin", "size"], name="one_missing_checkpoint_per_size")
        ]

    def __str__(self) -> str:
        return f"{self.origin} {self.size}"


class Wish(models.Model):
    """Somebody waits for a receipt. One row: the last link that has to be under a checkpoint."""

    ONLY = 1
    position = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.position)
