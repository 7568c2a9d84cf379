"""Two sites that differ in one person tell a scientist the same of models and synthetic tables, but for the noise.

Noise is replaced by numbers that follow from its size alone, whatever it would be added to. All that comes after it is
then the same at both sites, to the last digit, unless something private goes past it. The keys of the sites differ, and
so do the people who test a model.
"""

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from common.rest import rates
from privacy.engine import held_out, table_release, training
from privacy.engine.language import wire
from privacy.engine.language.expressions import Column
from privacy.engine.language.learning import Amount, CategoryFeature, Choice, Fit, NumberFeature
from privacy.engine.measure.contributions import ONE
from privacy.execution import learned_answers, settling
from privacy.models import Answer, LedgerLine, Promise
from tests import make
from tests.guards.test_api import calls
from tests.makers import accounts, datasets, learned
from tests.makers import privacy as shares
from tests.portal import scene
from tests.portal.api.site import Clock, Heard, Site

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.uncounted]

PEOPLE = 60
ROWS = datasets.wage_rows(people=PEOPLE, years=2)
SOMEBODY = 7_003
YEAR = NumberFeature("year", Column("year"), 4)
FITS = (
    learned.fit(),
    Fit(Amount(Column("wage")), (YEAR, CategoryFeature("region"))),
    Fit(Choice("region"), (YEAR,), (3,)),
)
MEASURES: list[dict[str, Any]] = [
    *map(wire.encode, FITS),
    {"kind": "synthetic_table", "columns": ["year", "region", "wage"], "bins": 4, "focus": "region"},
]
ASKED = [{"query": {"table": "wages", "measure": measure}, "epsilon": 8} for measure in MEASURES]
PRICED, ASK = "POST /api/v1/budgets/<uuid:pk>/price/", "POST /api/v1/budgets/<uuid:pk>/answers/"
OF_ANSWERS = re.compile("answers")
ABOUT = re.compile("answers|budgets|inbox|notifications|audit|datasets/$|datasets/<uuid:pk>/$")
DRAWN = "GET /api/v1/answers/<uuid:pk>/rows/"


def without_them() -> pa.Table:
    return ROWS.filter(pc.not_equal(ROWS["person"], SOMEBODY))


def with_other_values() -> pa.Table:
    """In a region that is not declared, with a wage beyond all bounds, and with hundreds of rows."""
    own = ROWS.filter(pc.equal(ROWS["person"], SOMEBODY)).to_pylist()
    odd = [{**row, "region": "mars", "wage": 9e9} for row in own]
    return pa.concat_tables([without_them(), pa.Table.from_pylist(odd * 150, ROWS.schema)])


OTHERS = {"without them": without_them(), "with other values": with_other_values()}


@contextmanager
def site(rows: pa.Table, begin: datetime) -> Iterator[tuple[Site, list[Any]]]:
    """A site with these rows, and what noise was drawn for there. Nothing of it is left afterwards."""
    whole, totals = transaction.atomic(), []
    setattr(whole, "_from_testcase", True)  # noqa: B010 -- durable transactions may be inside, as inside a test's own

    def noise(total: Any, sigma: int) -> Any:
        totals.append(total.copy())
        return np.random.default_rng([*total.shape, sigma]).integers(0, PEOPLE * ONE, total.shape)

    with pytest.MonkeyPatch.context() as patch, whole:
        with connection.cursor() as cursor:  # lines of the ledger are counted in the whole database
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), 1000)", [LedgerLine._meta.db_table]
            )
        clock = Clock(begin)
        patch.setattr(timezone, "now", clock)
        patch.setattr(settling, "sleep_until", lambda at: clock.skip(max(timedelta(0), at - clock.begun)))
        patch.setattr(accounts, "_numbers", itertools.count(1))
        patch.setattr(datasets, "_numbers", itertools.count(1))
        for module in (training, held_out, table_release):
            patch.setattr(module, "add_noise", noise)
        owner, scientist = make.owner(), make.scientist()
        data = make.dataset(owner=owner, rows=rows)
        make.grant(data, scientist)
        shares.budget(shares.promise(data, epsilon=50.0, public_size=PEOPLE), scientist, epsilon=40.0)
        clock.skip(timedelta(hours=1))
        yield (
            Site(scene.Scene({"owner": owner, "scientist": scientist}, scene.ids_by_word()), clock),
            totals,
        )
        transaction.set_rollback(True)


def told(rows: pa.Table, begin: datetime) -> tuple[list[Heard], str, list[Any], bytes]:
    """What the scientist hears of each question while it waits and once it is answered, and what is stored of it."""
    with site(rows, begin) as (here, totals):
        by_name = {str(call): call for call in calls()}
        heard = []
        for question in ASKED:
            heard += here.hear(by_name[PRICED], [question])
            heard += here.hear(by_name[ASK], [question])
            here.scene.ids.update(scene.ids_by_word())
            heard += read(here, OF_ANSWERS)
            for answer in Answer.objects.filter(state=Answer.State.PENDING):
                learned_answers.compute(str(answer.pk))
            here.clock.skip(timedelta(minutes=1))
        here.scene.ids.update(scene.ids_by_word())
        heard += read(here, ABOUT)
        heard += here.hear(by_name[ASK], [ASKED[0]])  # it has been answered
        heard += [here.send(by_name[DRAWN], f"{path}?rows=7", None) for path in drawn(here)]
        kept = [*Answer.objects.order_by("created_at").values(), *LedgerLine.objects.order_by("pk").values()]
        key = bytes(Promise.objects.get().subject_key)
        return heard, here.named(json.dumps(kept, cls=Stored)), totals, key


class Stored(DjangoJSONEncoder):
    """Bytes are hashes of what has ids in it, or keys."""

    def default(self, o: Any) -> Any:
        return f"{len(bytes(o))} bytes" if isinstance(o, bytes | memoryview) else super().default(o)


def read(here: Site, about: re.Pattern[str]) -> list[Heard]:
    reading = [call for call in calls() if call.method == "get" and about.search(call.page.route)]
    return [each for call in reading for each in here.hear(call, [None])]


def drawn(here: Site) -> list[str]:
    return [reverse("api:answer_rows", args=[pk]) for pk in here.scene.ids["answers"]]


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(rates, "RATES", dict.fromkeys(rates.RATES, 1_000_000))
    settings.STALE_AFTER = timedelta(days=1)  # a worker's last sign of life is of when the sites' time began


def test_models_and_synthetic_tables_tell_the_same_whoever_is_in_the_data():
    begin = timezone.now()
    heard, stored, totals, key = told(ROWS, begin)
    for name, other in OTHERS.items():
        again, stored_again, totals_again, other_key = told(other, begin)
        assert [each for each in zip(heard, again, strict=True) if each[0] != each[1]] == [], name
        assert stored == stored_again, name
        assert [total.shape for total in totals] == [total.shape for total in totals_again]
        assert differ(totals, totals_again)  # there is something that could leak
        assert key != other_key
    assert [each for each in heard if each.status >= 500] == []
    assert {each.status for each in heard if each.call == ASK} == {202, 200}
    released = [each for each in heard if each.call == "GET /api/v1/answers/<uuid:pk>/"][-len(ASKED) :]
    assert all('"state":"released"' in each.body for each in released)
    assert [each.status for each in heard if each.call == DRAWN][-len(ASKED) :] == [400, 400, 400, 200]


def differ(one: list[Any], other: list[Any]) -> bool:
    return any((left != right).any() for left, right in zip(one, other, strict=True))
