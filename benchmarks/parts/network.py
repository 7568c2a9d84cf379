"""Joint questions: what masks and signatures add to measuring, and what several portals lose against one table.

All portals are in this process: calls between them are not counted here. The total without noise has to be that of one
table with all rows, in every bit; a difference ends the run.
"""

import math
import secrets
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from uuid import uuid4

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from benchmarks.measuring import Goal, Measure, Of, Took, compared, processor_seconds
from benchmarks.parts.privacy import LABELS, QUERIES, SPEC
from crypto import masks
from privacy.engine import joint_release
from privacy.engine.measure.contributions import ONE, Integers
from privacy.engine.measure.evaluate import EVERYWHERE, Rows, Values
from privacy.engine.release import SortedTable, measure, table_from_columns
from privacy.ledgers.person_ledger import SubjectLedger

SHARE = 100 * ONE
WORST = 10**6
ASKED = ("histogram of 100 groups", "group means", "mean")
INPUT = bytes(masks.KEY)
NOISES = 20_000
"""Totals that are drawn to measure how wide they scatter."""


def measures(chosen: Namespace) -> Iterator[Measure]:
    rows, rounds = (20_000, 3) if chosen.quick else (10**6, 9)
    if chosen.full:
        rows = 10**7
    for name in ASKED:
        yield from question(name, rows, rounds)
    for portals in (3, 5, 10):
        yield Measure(name=f"totals of {portals} portals against one table", ours=differences(portals), unit="bits",
                      goal=Goal(limit=0), note="in which they differ, over all questions above")  # fmt: skip
    for portals in (3, 5):
        yield scatter(portals, 200 if chosen.quick else NOISES)


@dataclass(frozen=True, slots=True)
class Seat:
    """A portal in this process: its key for the masks, and the key that it signs with."""

    private: bytes
    public: bytes
    signing: Ed25519PrivateKey
    verifying: Ed25519PublicKey


def seats(portals: int) -> list[Seat]:
    made = [(masks.new_key(), Ed25519PrivateKey.generate()) for _ in range(portals)]
    return [Seat(key, masks.public_of(key), signing, signing.public_key()) for key, signing in made]


def table_of(rows: int, seed: int = 0) -> SortedTable:
    """A table like that of `benchmarks/run privacy`: five rows a person."""
    draw = np.random.default_rng(seed)
    columns = {
        "v": Values(np.round(draw.random(rows) * 1000, 2), EVERYWHERE),
        "g": Values(draw.integers(0, len(LABELS), rows).astype(np.int32), EVERYWHERE),
        "y": Values(draw.integers(0, 100, rows).astype(np.float64), EVERYWHERE),
    }
    return table_from_columns(Rows(SPEC, columns, rows), np.arange(0, rows + 1, 5, dtype=np.int64))


def question(name: str, rows: int, rounds: int) -> Iterator[Measure]:
    """Compare what hides a portal's part of a joint question of three with what computes and charges it."""
    query, table, portals = QUERIES[name][0], table_of(rows), seats(3)
    with tempfile.TemporaryDirectory() as room, closing(SubjectLedger(Path(room) / "ledger")) as book:
        places, budget, line = np.arange(table.subjects, dtype=np.uint32), uuid4(), count(1)

        def part() -> npt.NDArray[np.uint64]:
            measured = measure(query, table, worst_case=WORST)
            book.charge(budget, places, measured.charges, line=next(line))
            return joint_release.noisy_vector(measured, SHARE, None)

        vector = part()
        plan = secrets.token_hex(masks.KEY)
        others = [
            each.signing.sign(text)
            for each, text in zip(portals[1:], card_texts(portals, plan)[1:], strict=True)
        ]
        hidden, computed = compared(lambda: hide(portals, vector, plan, others), part, rounds)
    yield Measure(
        name=f"{name}, {rows:,} rows: masks",
        ours=hidden.cpu,
        floor=computed.cpu,
        goal=Goal(limit=0.1, of=Of.RATIO) if rows >= 10**6 else None,
        note=f"processor time; floor: measuring, charging, noise; wall {hidden.wall:.1f} and {computed.wall:.1f} ms",
    )


def hide(
    portals: Sequence[Seat], vector: npt.NDArray[np.uint64], plan: str, others: Sequence[bytes]
) -> bytes:
    """Do what the first portal does beyond computing its part: sign a card, check the cards of `others`, mask, sign."""
    texts = card_texts(portals, plan)
    cards = [portals[0].signing.sign(texts[0]), *others]
    for each, card, text in zip(portals, cards, texts, strict=True):
        each.verifying.verify(card, text)
    return portals[0].signing.sign(masked(portals, 0, vector, masks.transcript(cards)).tobytes())


def card_texts(portals: Sequence[Seat], plan: str) -> list[bytes]:
    return [
        masks.card_text(plan_sha256=plan, place=place, portals=len(portals), public=each.public)
        for place, each in enumerate(portals)
    ]


def differences(portals: int) -> int:
    """Count the bits in which the masked parts of portals without noise differ from the total of one table."""
    whole, different = table_of(30_000, seed=portals), 0
    cuts = np.linspace(0, whole.subjects, portals + 1).astype(int)
    for name in ASKED:
        here = seats(portals)
        vectors = []
        for place, (first, last) in enumerate(pairwise(cuts)):
            begin, end = int(whole.offsets[first]), int(whole.offsets[last])
            own = table_from_columns(whole.rows.part(begin, end), whole.offsets[first : last + 1] - begin)
            vectors.append(masked(here, place, exact(own, name).astype(np.uint64), INPUT))
        total = masks.total(vectors)
        different += sum(int(bits).bit_count() for bits in (total ^ exact(whole, name)).view(np.uint64))
    return different


def exact(table: SortedTable, name: str) -> Integers:
    measured = measure(QUERIES[name][0], table, worst_case=WORST)
    if measured.totals is None:
        raise ValueError("This question is not answered from one sum.")
    return measured.totals(None).ravel()


def masked(
    portals: Sequence[Seat], place: int, vector: npt.NDArray[np.uint64], transcript: bytes
) -> npt.NDArray[np.uint64]:
    return masks.masked(
        vector,
        private=portals[place].private,
        place=place,
        publics=[each.public for each in portals],
        transcript=transcript,
        round_=1,
        input_sha256=INPUT,
    )


def scatter(portals: int, draws: int) -> Measure:
    """Measure how far a joint total scatters if each portal counts on all others but one, at the charge of one table.

    One table adds noise of SHARE sqrt(k - 1) for the charge that a share of SHARE costs with h = k - 1.
    """
    query = QUERIES["histogram of 100 groups"][0]
    table = table_of(1000)
    measured = measure(query, table, worst_case=WORST)
    begun, cpu = time.perf_counter(), processor_seconds()
    totals = [
        masks.total([joint_release.noisy_vector(measured, SHARE, None) for _ in range(portals)])
        for _ in range(draws // len(LABELS))
    ]
    taken = Took((time.perf_counter() - begun) * 1e3, (processor_seconds() - cpu) * 1e3)
    noise = np.concatenate(totals).astype(np.float64) - np.tile(
        exact(table, "histogram of 100 groups") * portals, len(totals)
    )
    ours, one = float(noise.std()), SHARE * math.sqrt(portals - 1)
    due = math.sqrt(portals / (portals - 1))
    return Measure(
        name=f"sd of the sum over that of one table, {portals} portals",
        ours=ours / one / due,
        unit="x",
        cpu=taken.cpu,
        goal=Goal(limit=1.03 if draws >= NOISES else 1.2),
        note=f"of √(k/(k−1)) = {due:.3f}; h = k − 1; {len(noise):,} draws",
    )
