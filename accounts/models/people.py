"""People, their roles, invitations, sessions and tokens."""

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.module_loading import import_string

from accounts import addresses, topics
from accounts.separation import GUESTS, GUESTS_STAY_GUESTS, ONLY_SCIENTISTS, ROLES_GO_TOGETHER, not_for_guests
from audit.system import SYSTEM
from common.errors import Refused
from common.models import BaseModel

SYSTEM_EMAIL, SYSTEM_ID = SYSTEM.email, SYSTEM.pk


class Role(models.TextChoices):
    """The roles of a person. Reviewers are not among them: each dataset has its own."""

    ADMIN = "admin", "Admin"
    OWNER = "owner", "Data owner"
    SCIENTIST = "scientist", "Data scientist"
    AUDITOR = "auditor", "Auditor"


ROLE_HELP = {
    Role.ADMIN: "Manages people, privileges and workers. Cannot read data, code results or held outputs.",
    Role.OWNER: "Publishes datasets, reviews code, checks outputs and releases them.",
    Role.SCIENTIST: "Finds datasets, asks for access, submits code and receives released results.",
    Role.AUDITOR: "Reads everything that happened, changes nothing.",
}
EXCLUSIVE_ROLES = frozenset({Role.ADMIN, Role.AUDITOR})
"""Roles that oversee. Their holders have no other role and no duty: they own and review no dataset, and hold neither
access nor a budget."""


class UserManager(BaseUserManager["User"]):
    """Finds people by e-mail address, however it was typed."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=addresses.exact(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.with_address(username or "").get()

    def with_address(self, typed: str) -> models.QuerySet["User"]:
        """Return the person with this address, as a queryset. It is empty if nobody has it or it is invalid."""
        try:
            return self.filter(email=addresses.exact(typed))
        except Refused:
            return self.none()

    def people(self) -> models.QuerySet["User"]:
        """Return everybody except the system account."""
        return self.exclude(email=SYSTEM_EMAIL)

    def visible_to(self, user: "User") -> models.QuerySet["User"]:
        """Return the people whose pages `user` may open: everybody for admins and auditors, else only themselves."""
        if user.oversees:
            return self.people()
        return self.filter(pk=user.pk)

    def admins(self) -> models.QuerySet["User"]:
        """Return the active people who hold the admin role."""
        return self.filter(is_active=True, role_grants__role=Role.ADMIN)

    def free_for_duties(self) -> models.QuerySet["User"]:
        """Return the active people who do not oversee. A duty that an overseer holds from before has no effect."""
        overseers = RoleGrant.objects.filter(role__in=EXCLUSIVE_ROLES).values("user")
        return self.filter(is_active=True).exclude(pk__in=overseers)

    def taking_part(self) -> models.QuerySet["User"]:
        """Return whoever may act: people who may sign in, and guests of other portals."""
        return self.filter(Q(is_active=True) | Q(state=User.State.REMOTE))

    def system(self) -> "User":
        """Return the portal's own account, the actor of steps that no person takes; create its row if needed."""
        fields = {"pk": SYSTEM_ID, "name": "Weir", "state": User.State.SYSTEM, "is_active": False}
        return self.get_or_create(email=SYSTEM_EMAIL, defaults=fields)[0]

    def system_actor(self) -> "User":
        """Return the portal's account without a query, for steps and audit entries that need no foreign key to it."""
        return User(pk=SYSTEM_ID, email=SYSTEM_EMAIL, name="Weir", state=User.State.SYSTEM, is_active=False)


class User(AbstractBaseUser, BaseModel):
    """A person (or the portal itself). Signs in with an e-mail address."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for approval"
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        REFUSED = "refused", "Registration refused"
        REMOTE = "remote", "Guest of another portal"
        SYSTEM = "system", "The portal itself"

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150)
    affiliation = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    state_reason = models.CharField(max_length=500, blank=True)
    is_active = models.BooleanField(default=True)
    email_confirmed_at = models.DateTimeField(null=True, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    registration_note = models.TextField(blank=True, max_length=2000)
    mail_topics = models.JSONField(default=topics.every, blank=True)
    """The topics of notifications that this person also wants by e-mail."""

    home = models.UUIDField(null=True, blank=True)
    """Of a guest: the id here of the portal (network.Peer) where they have their account. They never sign in here."""
    remote_id = models.CharField(max_length=64, blank=True)
    """By what that portal names them to this one alone."""
    home_name = models.CharField(max_length=100, blank=True)
    told_email = models.CharField(max_length=254, blank=True)
    """The e-mail address that their portal gave. Nobody has verified it, so it is shown and never written to."""

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        ordering = ["name", "email"]
        constraints = [
            models.CheckConstraint(
                condition=Q(is_active=True, state="active") | (Q(is_active=False) & ~Q(state="active")),
                name="only_active_people_are_active",
            ),
            models.CheckConstraint(condition=Q(email__regex=addresses.EXACT), name="addresses_are_exact"),
            *GUESTS,
        ]
        triggers = [GUESTS_STAY_GUESTS]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def is_guest(self) -> bool:
        """Whether another portal calls in this person's name."""
        return self.home is not None

    @property
    def takes_part(self) -> bool:
        """Whether they may act. `is_active` says whether they may sign in, which guests never do."""
        return self.is_active or self.state == User.State.REMOTE

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles that this person holds. Cached on the instance, so one query per request."""
        return frozenset(self.role_grants.values_list("role", flat=True))

    @property
    def is_admin(self) -> bool:
        return Role.ADMIN in self.roles

    @property
    def oversees(self) -> bool:
        """Whether this person holds a role that excludes every duty on data, including duties from before."""
        return not EXCLUSIVE_ROLES.isdisjoint(self.roles)

    @property
    def is_owner(self) -> bool:
        return Role.OWNER in self.roles and not self.oversees

    @property
    def is_scientist(self) -> bool:
        return Role.SCIENTIST in self.roles and not self.oversees

    @property
    def is_auditor(self) -> bool:
        return Role.AUDITOR in self.roles


class RoleGrant(BaseModel):
    """A role granted to a person, by whom and why."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="role_grants")
    role = models.CharField(max_length=10, choices=Role)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["role"]
        constraints = [models.UniqueConstraint(fields=["user", "role"], name="one_grant_per_role")]
        triggers = [ROLES_GO_TOGETHER, ONLY_SCIENTISTS]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.user}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def visible_to(self, user: User) -> "InvitationQuerySet":
        """Return every invitation for admins and auditors, none for others. Secrets are never shown again."""
        return self if user.oversees else self.none()

    def open(self) -> "InvitationQuerySet":
        """Return the invitations whose links still work: neither used, withdrawn nor expired."""
        return self.filter(accepted_at=None, revoked_at=None, expires_at__gt=timezone.now())


class Invitation(BaseModel):
    """A one-time link that creates an account. Only the hash of its secret is stored."""

    email = models.EmailField(blank=True)
    roles = models.JSONField(default=list)
    secret_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["Invitation"]] = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(accepted_at=None, accepted_by=None)
                | Q(accepted_at__isnull=False, accepted_by__isnull=False),
                name="an_accepted_invitation_names_its_guest",
            ),
            models.CheckConstraint(
                condition=Q(email="") | Q(email__regex=addresses.EXACT), name="invited_addresses_are_exact"
            ),
        ]

    def __str__(self) -> str:
        return f"Invitation of {self.email or 'the first admin'}"

    @property
    def state(self) -> str:
        """Return "accepted", "withdrawn", "expired" or "open"."""
        if self.accepted_at is not None:
            return "accepted"
        if self.revoked_at is not None:
            return "withdrawn"
        return "open" if self.expires_at > timezone.now() else "expired"

    def get_state_display(self) -> str:
        return self.state.capitalize()

    @property
    def role_names(self) -> list[str]:
        return [Role(role).label for role in self.roles]


class Session(AbstractBaseSession):
    """A session with its person as a column, so that all sessions of a person can be ended at once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="sessions")
    device = models.CharField(max_length=200, blank=True)
    signed_in_at = models.DateTimeField(null=True, blank=True)
    client = models.GenericIPAddressField(null=True, blank=True)

    class Meta(AbstractBaseSession.Meta):
        # After an IntegrityError, Django's store would try another session key, for ever.
        triggers = [not_for_guests("user", code="raise_exception")]

    def __str__(self) -> str:
        return f"Session of {self.user or 'a visitor'}"

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        store: type[SessionBase] = import_string("accounts.signin.sessions.SessionStore")
        return store


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    def visible_to(self, user: User) -> "AccessTokenQuerySet":
        return self.filter(owner=user)

    def live(self) -> "AccessTokenQuerySet":
        """Return the tokens that still open the API: neither revoked nor expired."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


class AccessToken(BaseModel):
    """What a program signs in with instead of its person. Only the hash of its secret is stored."""

    class Origin(models.TextChoices):
        PAGE = "page", "Made on the page of tokens"
        DEVICE = "device", "Made by signing in a program"

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="access_tokens")
    name = models.CharField(max_length=100)
    secret_hash = models.CharField(max_length=64, unique=True)
    ending = models.CharField(max_length=4)
    scopes = models.JSONField(default=list)
    dataset_ids = models.JSONField(null=True, blank=True)
    """Ids of the only datasets that it reaches; None: all that its person reaches."""
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.PAGE)
    expires_at = models.DateTimeField()
    last_used_on = models.DateField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[models.Manager["AccessToken"]] = AccessTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        triggers = [not_for_guests("owner")]

    def __str__(self) -> str:
        return f"Access token {self.name!r} (…{self.ending})"

    @property
    def state(self) -> str:
        """Return "revoked", "expired" or "live"."""
        if self.revoked_at is not None:
            return "revoked"
        return "live" if self.expires_at > timezone.now() else "expired"

    def get_state_display(self) -> str:
        return self.state.capitalize()


class DeviceSignIn(BaseModel):
    """A program that waits for a person to sign it in (RFC 8628). Only the hash of its secret is stored."""

    class State(models.TextChoices):
        WAITING = "waiting", "Nobody has decided yet"
        ALLOWED = "allowed", "Allowed"
        REFUSED = "refused", "Refused"

    device_hash = models.CharField(max_length=64, unique=True)
    user_code = models.CharField(max_length=8, unique=True)
    name = models.CharField(max_length=100)
    """What the program calls itself."""
    scopes = models.JSONField(default=list)
    address = models.GenericIPAddressField()
    network = models.CharField(max_length=43, db_index=True)
    """By what waiting programs are counted (common.client_address.network_of)."""
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    person = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    token = models.ForeignKey(AccessToken, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    interval = models.PositiveSmallIntegerField(default=5)
    polled_at = models.DateTimeField(null=True, blank=True)
    given_at = models.DateTimeField(null=True, blank=True)
    """When it got its first token."""
    replacements = models.PositiveSmallIntegerField(default=0)
    """How many tokens it got after the first one."""
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="waiting", person=None) | (~Q(state="waiting") & Q(person__isnull=False)),
                name="a_decided_sign_in_names_its_person",
            )
        ]
        triggers = [not_for_guests("person")]

    def __str__(self) -> str:
        return f"Sign-in of {self.name!r}"
