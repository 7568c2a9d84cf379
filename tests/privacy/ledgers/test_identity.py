"""The same id means the same person: under a promise, each revision identifies people as the one before did."""

from uuid import uuid4

import numpy as np
import pyarrow as pa
import pytest
from django.db import connection
from django.urls import reverse

from audit.models import Entry
from common import heavy_views
from common.errors import BudgetExceeded, Conflict, Denied, Refused
from datasets import hooks, rules, services, storage
from privacy import services as promises
from privacy.engine.measure import contributions
from privacy.execution import lifecycle
from privacy.ledgers import verification
from privacy.ledgers.person_ledger import open_ledger
from privacy.services import questions
from tests import make
from tests.makers import privacy as shares
from tests.makers.datasets import PEOPLE, WAGE_COLUMNS, wage_rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def data():
    made = make.dataset()
    promises.protect(made, by=made.owner, epsilon=1, public_size=PEOPLE, constants=["region"])
    return made


def begin(data, rows, columns, *, name="wages", **fields):
    """The next revision, with this table declared like that."""
    draft = data.draft or services.new_revision(data, by=data.owner, note="Once more.")
    services.declare(make.table(draft, name=name, rows=rows), by=data.owner, columns=columns, **fields)


def with_alias(rows):
    return rows.append_column("alias", pa.array([f"p{k}" for k in range(len(rows))]))


def as_text(rows):
    return rows.set_column(0, "person", rows["person"].cast(pa.string()))


ALIAS = WAGE_COLUMNS | {
    "person": {"type": "integer", "lower": 0, "upper": 9_999, "confirmed": True},
    "alias": {"type": "text", "is_subject": True, "confirmed": True},
}
TEXT = WAGE_COLUMNS | {"person": {"type": "text", "is_subject": True, "confirmed": True}}
NOBODY = WAGE_COLUMNS | {"person": {"type": "integer", "lower": 0, "upper": 9_999, "confirmed": True}}


def refusal(data):
    (why,) = rules.gaps(data)
    with pytest.raises(Denied, match="Not ready yet"):
        services.publish(data, by=data.owner)
    assert data.draft is not None
    return why


def test_another_column_that_names_people_is_refused(data):
    begin(data, with_alias(wage_rows()), ALIAS)
    assert "by “alias”, up to now by “person”" in refusal(data)


def test_another_kind_of_the_same_column_is_refused(data):
    """An id that was a number and becomes a text may be written in another way: 7 and 007."""
    begin(data, as_text(wage_rows()), TEXT)
    assert "holds “person” as string, up to now as int64" in refusal(data)


def test_a_table_that_names_nobody_is_refused(data):
    begin(data, wage_rows(), NOBODY, about_people=False)
    assert "has no column that identifies a person" in refusal(data)


def test_a_new_table_names_people_like_the_others(data):
    begin(data, wage_rows(), WAGE_COLUMNS)
    begin(data, with_alias(wage_rows()), ALIAS, name="visits")
    assert "Table visits" in refusal(data)


def test_a_retired_revision_still_says_how_people_are_named(data):
    services.retire_revision(data.current, by=data.owner, reason="Too old.")
    begin(data, with_alias(wage_rows()), ALIAS)
    assert "up to now by “person”" in refusal(data)


def test_the_same_ids_are_published(data):
    begin(data, wage_rows(people=PEOPLE + 5), WAGE_COLUMNS)
    begin(data, wage_rows(), WAGE_COLUMNS, name="visits")
    assert rules.gaps(data) == []
    assert services.publish(data, by=data.owner).number == 2


def test_without_a_promise_people_may_be_named_anew():
    bare = make.dataset()
    begin(bare, with_alias(wage_rows()), ALIAS)
    assert services.publish(bare, by=bare.owner).number == 2


# How many of them are known


def spend(data, texts=("SELECT COUNT(DISTINCT person) FROM wages",), *, epsilon=0.3):
    scientist = make.scientist()
    make.grant(data, scientist)
    share = promises.give_budget(data.promise, scientist, by=data.owner)
    for text in texts:
        lifecycle.compute(str(shares.answer(share, text, epsilon=epsilon).pk))
    share.refresh_from_db()
    assert share.units_used > 0
    return share


def renamed(rows):
    """The same people under new ids from their provider."""
    return rows.set_column(0, "person", pa.array([900_000 + pid for pid in rows["person"].to_pylist()]))


def spent_of(share, people):
    with open_ledger(storage.ledger_folder(share.promise.dataset_id)) as book:
        return book.spent(share.pk)[-people:]


def test_the_owner_is_told_how_many_people_are_known(data):
    spend(data)
    begin(data, wage_rows(people=PEOPLE + 10), WAGE_COLUMNS)
    (remark,) = hooks.remarks_on_publishing(data.draft)
    assert (remark.words.partition(" of ")[0], remark.asks) == ("75 %", False)
    services.publish(data, by=data.owner)
    data.promise.refresh_from_db()
    assert data.promise.newcomers == []


def test_before_anything_is_charged_nothing_is_asked(data):
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    assert hooks.remarks_on_publishing(data.draft) == []
    assert services.publish(data, by=data.owner).number == 2


def test_people_under_new_ids_begin_with_all_that_may_have_been_spent_on_them(data):
    share = spend(data)
    owed = share.units_used
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    with pytest.raises(Refused, match="Only 0 % of the people"):
        services.publish(data, by=data.owner)
    services.publish(data, by=data.owner, agreed=True)
    assert Entry.objects.filter(action="protection.newcomers").count() == 1
    answer = shares.answer(share, "SELECT COUNT(*) FROM wages", epsilon=0.2)
    lifecycle.compute(str(answer.pk))
    answer.refresh_from_db()
    share.refresh_from_db()
    charged = share.units_used - owed
    assert (answer.state, charged > 0) == ("released", True)
    # Every one of the thirty has four rows, the most that count: the worst case but for the last rounding.
    spent = spent_of(share, PEOPLE)
    assert owed + charged * 0.999 < spent.min() <= spent.max() <= owed + charged
    assert verification.faults(data.promise) == []


def test_a_promise_that_is_used_up_is_not_given_again_under_new_ids(data):
    """The attack: spend everything, deliver the same people under other ids, spend everything again."""
    scientist = make.scientist()
    make.grant(data, scientist)
    share = promises.give_budget(data.promise, scientist, by=data.owner, epsilon=0.9)
    lifecycle.compute(str(shares.answer(share, epsilon=0.85).pk))
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    services.publish(data, by=data.owner, agreed=True)
    with pytest.raises(BudgetExceeded):
        shares.answer(share, "SELECT COUNT(*) FROM wages", epsilon=0.85)


def test_where_groups_paid_differently_no_answer_is_called_complete_any_more(data):
    share = spend(data, ["SELECT COUNT(*) FROM wages WHERE region = 'east'"])
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    services.publish(data, by=data.owner, agreed=True)
    answer = shares.answer(share, "SELECT COUNT(*) FROM wages WHERE region = 'north'", epsilon=0.3)
    assert answer.extended


def test_a_question_to_the_old_revision_is_not_charged_after_it_was_replaced(data):
    share = spend(data)
    quoted = questions.quote(
        share, questions.read_sql(share, "SELECT COUNT(*) FROM wages").query, by=share.scientist, epsilon=0.2
    )
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    services.publish(data, by=data.owner, agreed=True)
    before = share.units_used
    with pytest.raises(Conflict, match="replaced"):
        questions.ask(share, quoted, key=uuid4(), by=share.scientist)
    share.refresh_from_db()
    assert share.units_used == before


def test_what_newcomers_owe_grows_and_shrinks_with_the_units_of_a_budget(data):
    share = spend(data)
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    services.publish(data, by=data.owner, agreed=True)
    data.promise.refresh_from_db()
    before = data.promise.owed(share.pk)
    changed = lifecycle.change_share(share, share.mu * 1.2, by=data.owner)
    data.promise.refresh_from_db()
    assert data.promise.owed(share.pk) == contributions.rescaled([before], share.mu, share.mu * 1.2)[0]
    lifecycle.compute(str(shares.answer(changed, "SELECT COUNT(*) FROM wages", epsilon=0.2).pk))
    assert verification.faults(data.promise) == []


def test_a_newcomer_who_was_charged_less_is_found(data):
    spend(data)
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    services.publish(data, by=data.owner, agreed=True)
    data.promise.refresh_from_db()
    with open_ledger(storage.ledger_folder(data.pk)) as book:
        book.places(np.arange(16, dtype=np.uint8).reshape(1, 16))
    assert any("A newcomer was charged less" in each for each in verification.faults(data.promise))


def test_a_revision_that_names_people_otherwise_is_found(data):
    begin(data, with_alias(wage_rows()), WAGE_COLUMNS | {"alias": {"type": "text", "confirmed": True}})
    table = services.publish(data, by=data.owner).tables.get()
    assert verification.faults(data.promise) == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger of ours refuses it
        table.columns.filter(name="person").update(is_subject=False)
        table.columns.filter(name="alias").update(is_subject=True)
        cursor.execute("SET LOCAL session_replication_role = origin")
    assert any("Revision 2" in each for each in verification.faults(data.promise))


def test_the_page_asks_once_more_and_then_publishes(data, client):
    share = spend(data)
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    client.force_login(data.owner, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("datasets:content", args=[data.pk])).content.decode()
    assert "0 % of the people in this draft have ids that are known" in page
    assert 'name="agreed" value="1"' in page
    path = reverse("datasets:publish", args=[data.pk])
    refused = client.post(path)
    assert (refused.status_code, b"Only 0 % of the people" in refused.content) == (400, True)
    assert client.post(path, {"agreed": "1"}).status_code == 302
    data.promise.refresh_from_db()
    assert data.promise.owed(share.pk) == share.units_used


def test_a_damaged_file_of_a_draft_costs_the_remark_and_not_the_page(data, client):
    spend(data)
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    path = storage.folder("tables") / data.draft.tables.get().stored_name
    path.chmod(0o600)
    path.write_bytes(bytes(path.stat().st_size))
    client.force_login(data.owner, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(reverse("datasets:content", args=[data.pk]))
    assert (page.status_code, b"The people in table wages could not be read." in page.content) == (200, True)
    with pytest.raises(Conflict, match="could not be read"):
        services.publish(data, by=data.owner)
    assert data.draft is not None


def test_looking_at_the_people_of_a_draft_takes_turns_with_other_sandboxes(data, client, monkeypatch):
    spend(data)
    begin(data, renamed(wage_rows()), WAGE_COLUMNS)
    client.force_login(data.owner, backend="django.contrib.auth.backends.ModelBackend")
    page = reverse("datasets:content", args=[data.pk])
    monkeypatch.setattr(heavy_views, "WAIT_SECONDS", 0.01)
    with heavy_views.SANDBOXED.turn("one", seconds=1), heavy_views.SANDBOXED.turn("another", seconds=1):
        assert client.get(page).status_code == 503
    assert client.get(page).status_code == 200
