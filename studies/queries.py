"""Reads for studies, each in a bounded number of queries."""

from collections.abc import Collection

from django.conf import settings
from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When

from accounts.models import User
from common.errors import Conflict, Refused
from datasets.models import Dataset
from datasets.queries import current_revision
from network.models import Identity, Peer
from privacy.declarations import specs_of
from privacy.engine.language import sql
from privacy.engine.language.display import EVERYTHING, Display
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.wire import decode
from privacy.models import Budget
from privacy.presentation import words
from studies.documents import read_study
from studies.models import JointAnswer, Member, Participation, Study

MOVED = (
    "This study names this portal by an earlier address, so it cannot take part any more. Found a new study."
)


def own_member(study: Study) -> Member:
    """Return this portal's own row among a study's members. Raises Refused if its address has changed since."""
    found = study.members.filter(url=settings.BASE_URL).first()
    if found is None:
        raise Refused(MOVED)
    return found


def own_state(study: Study) -> str | None:
    """Return the state of this portal's own part, or None if its address has changed since."""
    return study.members.filter(url=settings.BASE_URL).values_list("state", flat=True).first()


def founder_url(study: Study) -> str:
    """Return the address of the portal that founded a study."""
    return settings.BASE_URL if study.founder is None else study.founder.url


def participation_of(study: Study) -> Participation | None:
    """Return with what this portal takes part in a study, or None if it does not, or not any more."""
    found = Participation.objects.filter(study=study, left_at=None)
    return found.select_related("dataset__owner", "dataset__promise").first()


def joined(study: Study) -> QuerySet[Member]:
    """Return the portals that take part in a study, in the order of their addresses."""
    return study.members.filter(state=Member.State.JOINED).select_related("peer").order_by("url")


def invitations() -> QuerySet[Study]:
    """Return the open studies on which no owner of this portal has decided yet, oldest first."""
    mine = Member.objects.filter(study=OuterRef("pk"), url=settings.BASE_URL, state=Member.State.INVITED)
    found = Study.objects.filter(Exists(mine), ended_at=None)
    return found.select_related("founder").order_by("created_at")


def listed(user: User) -> QuerySet[Study]:
    """Return the studies that a person may see, with this portal's own state (`own_state`) and how many portals take
    part (`taking_part`): first what waits for an owner's decision, last what has ended."""
    own = Member.objects.filter(study=OuterRef("pk"), url=settings.BASE_URL).values("state")
    joined = Count("members", filter=Q(members__state=Member.State.JOINED), distinct=True)
    rows = Study.objects.filter(pk__in=Study.objects.visible_to(user).order_by().values("pk"))
    rows = rows.select_related("founder").annotate(own_state=Subquery(own), taking_part=joined)
    waits = When(ended_at=None, own_state=Member.State.INVITED, then=Value(0))
    place = Case(waits, When(ended_at=None, then=Value(1)), default=Value(2), output_field=IntegerField())
    return rows.order_by(place, "-created_at")


def could_join(user: User) -> QuerySet[Dataset]:
    """Return an owner's published datasets with a promise, by title."""
    own = Dataset.objects.owned_by(user).filter(state=Dataset.State.PUBLISHED, promise__isnull=False)
    return own.select_related("promise").order_by("title")


def own_specs(dataset: Dataset) -> dict[str, TableSpec]:
    """Return the tables of a dataset's published revision. Raises Conflict if there is none."""
    return specs_of(current_revision(dataset), dataset.promise.constants)


def own_table(participation: Participation) -> TableSpec:
    """Return the declarations of the table with which this portal takes part. Raises Conflict if it is gone."""
    return table_of(participation.dataset, participation.table)


def table_of(dataset: Dataset, name: str) -> TableSpec:
    """Return a table of a dataset's published revision. Raises Conflict if there is none of this name."""
    found = own_specs(dataset).get(name)
    if found is None:
        raise Conflict(f"The published revision has no table “{name[:100]}”.")
    return found


def budget_at(person: User, participation: Participation) -> Budget | None:
    """Return a person's budget on the dataset with which this portal takes part, open or closed."""
    budgets = Budget.objects.filter(scientist=person, promise__dataset=participation.dataset_id)
    return budgets.select_related("promise__dataset", "scientist").first()


def name_of(url: str) -> str:
    """Return the name of the institution at an address, or the address if this portal does not know it."""
    if url == settings.BASE_URL:
        identity = Identity.objects.first()
        return identity.name if identity else url
    peer = Peer.objects.known().filter(url=url).first()
    return str(peer) if peer else url


def counting(relies_on: Collection[str], *, home: str) -> dict[str, str]:
    """Return the portals that are counted on and count at present: {address: name of the institution}.

    Neither this portal nor `home`, the scientist's; only active ones whose keys were not replaced since the fingerprint
    was compared; of one institution the first, and none of this portal's institution or that of `home`.
    """
    ours = {settings.BASE_URL, home}
    known = Peer.objects.active().filter(Q(url__in=relies_on) | Q(url=home)).order_by("url")
    taken = {_plain(name_of(settings.BASE_URL))} | {_plain(str(peer)) for peer in known if peer.url == home}
    found: dict[str, str] = {}
    for peer in known:
        if peer.url in ours or peer.recovered_at is not None or _plain(str(peer)) in taken:
            continue
        taken.add(_plain(str(peer)))
        found[peer.url] = str(peer)
    return found


def h_of(relies_on: Collection[str], portals: Collection[str], *, home: str) -> int:
    """Return on how many portals of a plan, this one included, the owner's promise counts for a question from `home`.

    At least one other portal is never counted on, because it knows its own share of the noise.
    """
    return h_for(len(counting(set(relies_on) & set(portals), home=home)), len(portals))


def h_for(others: int, portals: int) -> int:
    """Return h for so many others that count, of a plan of so many portals."""
    return max(1, min(portals - 1, 1 + others))


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def question_of(answer: JointAnswer) -> str:
    """Return a joint question in words."""
    return words.say(decode(answer.query), read_study(answer.study.document).table)


def display_of(answer: JointAnswer) -> Display:
    """Return what is shown of a joint answer according to the SQL by which it was asked."""
    table = read_study(answer.study.document).table
    try:
        return sql.read(answer.sql, {table.name: table}).display if answer.sql else EVERYTHING
    except QueryRefused:
        return EVERYTHING  # asked when other SQL was supported


def unseen(user: User) -> QuerySet[JointAnswer]:
    """Return a scientist's released joint answers that they have not opened yet, oldest first."""
    found = JointAnswer.objects.filter(scientist=user, state=JointAnswer.State.RELEASED, seen_at=None)
    return found.select_related("study").order_by("ended_at")
