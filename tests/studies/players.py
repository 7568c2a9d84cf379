"""Other portals of a study, played with real masks, keys and signatures: asked ones, and one that asks.

player = Player(portals("Hospital B"), rows)     # answers calls about joint questions over its rows
player.noise = 0                                 # whole numbers that it adds to each number, instead of noise
asker = Asker(other, study, guest)               # asks this portal, with partners that play along
asker.prepare(client); asker.collect(client)
"""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from crypto import masks
from datasets.columns import stored
from network import cards, identity
from network.models import Peer
from privacy.declarations import plans_for
from privacy.engine import joint_release
from privacy.engine.language.query import Count, Query
from privacy.engine.language.schema import TableSpec
from privacy.engine.measure.evaluate import Rows, Values
from privacy.engine.release import SortedTable, measure, table_from_columns
from studies import documents, plans
from studies.models import Study
from studies.plans import Plan, Seat
from tests.network.portals import Heard, Portal

Person = list[dict[str, Any]]
"""The rows of one person, by study column; None where a value is missing."""
UNITS = 1000
"""What a player says that it charges."""


def table_of(spec: TableSpec, people: list[Person]) -> SortedTable:
    """The rows of these people as a table of the study."""
    rows = [row for person in people for row in person]
    columns = {}
    for plan in plans_for(spec):
        found = [row[plan.name] for row in rows]
        numbers = [0 if each is None else plan.labels.index(each) if plan.labels else each for each in found]
        valid = np.array([each is not None for each in found])
        columns[plan.name] = Values(np.array(numbers).astype(stored(plan)), valid)
    offsets = np.cumsum([0, *map(len, people)], dtype=np.int64)
    return table_from_columns(Rows(spec, columns, len(rows)), offsets)


def exact(query: Query, spec: TableSpec, people: list[Person]) -> np.ndarray:
    """The totals of these people, without noise."""
    found = measure(query, table_of(spec, people))
    assert found.totals is not None
    return found.totals(None).ravel()


class Player:
    """Another portal that answers joint questions. Each thing it does can be changed."""

    def __init__(self, portal: Portal, spec: TableSpec, people: list[Person]) -> None:
        self.portal, self.spec, self.people = portal, spec, people
        self.noise, self.busy, self.h, self.units = 0, 0, 1, UNITS
        self.prepared: dict[str, tuple[Plan, bytes, str]] = {}
        self.sent: dict[str, Any] = {}
        self.ended: list[str] = []
        portal.answers["POST", "/net/1/joints"] = self.prepare
        portal.answers["GET", "/net/1/log/seen"] = lambda _: {"checkpoints": []}

    @property
    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        return self.portal.key_id, self.portal.private

    def prepare(self, document: dict[str, Any]) -> Any:
        plan = plans.read_plan(document["plan"])
        sha, place = plan.sha256, plan.place_of(self.portal.url)
        if sha not in self.prepared:
            private = masks.new_key()
            card = plans.write_card(sha, place, len(plan.portals), masks.public_of(private), self.signer)
            self.prepared[sha] = plan, private, card
            self.portal.answers["POST", f"/net/1/joints/{sha}/collect"] = lambda said: self.collect(sha, said)
            self.portal.answers["POST", f"/net/1/joints/{sha}/end"] = lambda _: self.end(sha)
        return {"card": self.prepared[sha][2], "units": self.units, "h": self.h}

    def collect(self, sha: str, document: dict[str, Any]) -> Any:
        if self.busy > 0:
            self.busy -= 1
            return 202, {"retry_after": 1}
        if sha not in self.sent:
            self.sent[sha] = self.computed(sha, document["cards"])
        return self.sent[sha]

    def computed(self, sha: str, texts: list[str]) -> dict[str, Any]:
        plan, private, _ = self.prepared[sha]
        place, transcript = plan.place_of(self.portal.url), plans.transcript_of(texts)
        noisy = (exact(plan.query, self.spec, self.people) + self.noise).astype(np.uint64)
        vector = plans.packed(hidden(noisy, private, place, texts))
        statement = plans.write_statement(plan, place, transcript.hex(), vector, self.signer)
        return {"vector": base64.b64encode(vector).decode(), "statement": statement}

    def end(self, sha: str) -> dict[str, Any]:
        self.ended.append(sha)
        return {}


def hidden(vector: Any, private: bytes, place: int, texts: list[str]) -> Any:
    """A vector under the masks of the portal at a place."""
    return masks.masked(
        vector,
        private=private,
        place=place,
        publics=[plans.public_in(text) for text in texts],
        transcript=plans.transcript_of(texts),
        round_=plans.ROUND,
        input_sha256=plans.NO_INPUT,
    )


@dataclass
class Asker:
    """A portal whose scientist, a guest here, asks this portal and itself, and partners. It knows all their keys."""

    portal: Portal
    study: Study
    remote_id: str
    partners: list[Portal] = field(default_factory=list)
    query: Query | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    privates: dict[str, bytes] = field(default_factory=dict)
    own_card: str = ""

    def __post_init__(self) -> None:
        self.spec = documents.read_study(self.study.document).table
        self.asked = self.query or Query(table=self.spec.name, measure=Count())
        self.plan = self._plan()

    def _plan(self) -> Plan:
        design = joint_release.check(self.asked, self.spec)
        cells, width = joint_release.width(self.asked, design)
        keys = {each.url: cards.key_id(each.public) for each in (self.portal, *self.partners)}
        keys[settings.BASE_URL] = identity.signer()[0].partition("#")[2]
        fields: dict[str, Any] = {
            "joint": uuid4(),
            "study": self.study.pk,
            "study_sha256": self.study.sha256,
            "query": self.asked,
            "clip": design.clip.hex(),
            "cells": cells,
            "width": width,
            "share": 2**32,
            "portals": tuple(Seat(url, keys[url]) for url in sorted(keys)),
            "coordinator": self.portal.url,
            "expires": int(time.time()) + 3600,
        }
        return Plan(**{**fields, **self.changes})

    @property
    def path(self) -> str:
        return f"/net/1/joints/{self.plan.sha256}"

    def prepare(self, client: Any) -> Heard:
        document = {"plan": self.plan.text, "person": self.remote_id}
        heard = self.portal.calls(client, "POST", "/net/1/joints", document)
        self.own_card = heard.document.get("card", "")
        return heard

    def cards(self) -> list[str]:
        """The signed cards of all, by place."""
        found = []
        by_url = {each.url: each for each in (self.portal, *self.partners)}
        for place, seat in enumerate(self.plan.portals):
            if seat.url == settings.BASE_URL:
                found.append(self.own_card)
                continue
            portal = by_url[seat.url]
            private = self.privates.setdefault(seat.url, masks.new_key())
            signer = portal.key_id, portal.private
            public = masks.public_of(private)
            found.append(plans.write_card(self.plan.sha256, place, len(self.plan.portals), public, signer))
        return found

    def collect(self, client: Any, texts: list[str] | None = None) -> Heard:
        document = {"cards": self.cards() if texts is None else texts}
        return self.portal.calls(client, "POST", f"{self.path}/collect", document)

    def end(self, client: Any) -> Heard:
        return self.portal.calls(client, "POST", f"{self.path}/end", {})

    def unmasked(self, document: dict[str, Any]) -> Any:
        """What is under the masks of this portal's vector, which all others together can take off."""
        texts = self.cards()
        vectors = [plans.unpacked(base64.b64decode(document["vector"]), self.plan.size)]
        zeros = np.zeros(self.plan.size, dtype=np.uint64)
        others = [seat.url for seat in self.plan.portals if seat.url != settings.BASE_URL]
        vectors += [hidden(zeros, self.privates[url], self.plan.place_of(url), texts) for url in others]
        return masks.total(vectors)


def is_signed_by_us(text: str, vector: bytes) -> bool:
    """Whether a statement is about this vector."""
    said = json.loads(text)["vector"]
    return bool(said["vector_sha256"] == hashlib.sha256(vector).hexdigest())


def trusted(portal: Portal) -> Peer:
    """The row of another portal, which has compared fingerprints."""
    return Peer.objects.get(url=portal.url)
