"""The hash chain: what it detects, and that concurrent writers make a single chain."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import User
from audit import chain, log
from audit.models import Entry, Link
from audit.verification import verify
from tests import make

in_database = pytest.mark.django_db(transaction=True)


@contextmanager
def as_somebody_with_the_database() -> Iterator[None]:
    """Act as a superuser of the database, who can switch the triggers off."""
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield


def write(count: int, *, by: User) -> list[Entry]:
    entries = []
    for number in range(count):
        with transaction.atomic():
            entries.append(
                log.record("workers.pause", by=by, on=by, changes={"n": (number, number + 1)}, ü="ß")
            )
    return entries


def sql(statement: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


@in_database
def test_a_sound_log_is_sound() -> None:
    write(5, by=make.user())
    result = verify()
    assert (result.entries, result.bad_entry, result.fault) == (5, None, "")
    assert result.head == Link.objects.latest("position").hash


@in_database
@pytest.mark.parametrize("table", ["audit_entry", "audit_link"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = 'x'", "DELETE FROM {}"])
def test_the_database_refuses_changes(table: str, statement: str) -> None:
    write(1, by=make.user())
    column = {"audit_entry": "actor", "audit_link": "hash"}[table]
    with pytest.raises(Exception, match=r"Cannot (update|delete)"):
        sql(statement.format(table, column))
    assert Entry.objects.get().actor != "x"


@in_database
def test_an_entry_outside_a_transaction_is_impossible() -> None:
    user = make.user()
    with pytest.raises(RuntimeError, match="inside the transaction"):
        log.record("workers.pause", by=user, on=user)


@in_database
def test_an_undone_transaction_leaves_no_entry_and_no_link() -> None:
    user = make.user()
    with transaction.atomic():
        log.record("workers.pause", by=user, on=user)
        transaction.set_rollback(True)
    write(1, by=user)
    assert (Entry.objects.count(), Link.objects.count(), verify().fault) == (1, 1, "")


def edit_text(entry: Entry) -> None:
    changed = json.dumps({**json.loads(entry.payload), "actor": "somebody.else@weir.example"})
    sql("UPDATE audit_entry SET payload = %s WHERE id = %s", changed, entry.pk)


def edit_columns(entry: Entry) -> None:
    sql("UPDATE audit_entry SET actor = 'somebody.else@weir.example' WHERE id = %s", entry.pk)


def edit_changes(entry: Entry) -> None:
    sql("""UPDATE audit_entry SET changes = '{"n": [2, 9]}' WHERE id = %s""", entry.pk)


def move_in_time(entry: Entry) -> None:
    sql("UPDATE audit_entry SET at = at - interval '1 day' WHERE id = %s", entry.pk)


def edit_and_hash_again(entry: Entry) -> None:
    edit_columns(entry)
    entry.refresh_from_db()
    columns = {
        name: value
        for name, value in Entry.objects.values().get(pk=entry.pk).items()
        if name not in {"id", "key", "at", "payload"}
    }
    text = chain.payload({"at": entry.at.isoformat(), **columns})
    sql("UPDATE audit_entry SET payload = %s WHERE id = %s", text, entry.pk)
    new = chain.link(entry.link.previous, text)
    sql("UPDATE audit_link SET hash = %s WHERE entry_id = %s", new, entry.pk)


@in_database
@pytest.mark.parametrize("edit", [edit_text, edit_columns, edit_changes, move_in_time])
def test_one_edited_row_is_found_and_named(edit: Callable[[Entry], None]) -> None:
    entries = write(5, by=make.user())
    with as_somebody_with_the_database():
        edit(entries[2])
    assert (verify().entries, verify().bad_entry) == (2, entries[2].pk)
    with pytest.raises(CommandError, match=f"Entry {entries[2].pk} fails"):
        call_command("verify_audit")


@in_database
def test_an_edit_with_its_hash_made_anew_shows_at_the_next_entry() -> None:
    entries = write(5, by=make.user())
    with as_somebody_with_the_database():
        edit_and_hash_again(entries[2])
    assert (verify().bad_entry, "before it" in verify().fault) == (entries[3].pk, True)


@in_database
def test_a_deleted_row_is_found() -> None:
    entries = write(5, by=make.user())
    with as_somebody_with_the_database():
        sql("DELETE FROM audit_link WHERE entry_id = %s", entries[1].pk)
        sql("DELETE FROM audit_entry WHERE id = %s", entries[1].pk)
    assert verify().bad_entry == entries[2].pk


@in_database
def test_rows_that_changed_places_are_found() -> None:
    entries = write(4, by=make.user())
    one, two = entries[1].link, entries[2].link
    with as_somebody_with_the_database():
        sql("UPDATE audit_link SET position = -1 WHERE position = %s", one.position)
        sql("UPDATE audit_link SET position = %s WHERE position = %s", one.position, two.position)
        sql("UPDATE audit_link SET position = %s WHERE position = -1", two.position)
    assert verify().bad_entry == entries[2].pk


@in_database
def test_a_row_slipped_in_past_the_chain_is_found() -> None:
    user = make.user()
    write(2, by=user)
    with as_somebody_with_the_database():
        slipped = log.record("workers.resume", by=user, on=user)
    assert (verify().bad_entry, verify().fault) == (slipped.pk, "it is not part of the chain")


@in_database
def test_a_lost_end_is_found_with_the_head_noted_earlier() -> None:
    entries = write(4, by=make.user())
    noted = verify()
    with as_somebody_with_the_database():
        sql("DELETE FROM audit_link WHERE entry_id = %s", entries[3].pk)
        sql("DELETE FROM audit_entry WHERE id = %s", entries[3].pk)
    assert verify().fault == ""
    assert verify(position=noted.position, head=noted.head).fault != ""
    with pytest.raises(CommandError, match="lost entries"):
        call_command("verify_audit", head=f"{noted.position}:{noted.head}")


@in_database
def test_the_head_still_holds_when_more_was_written() -> None:
    user = make.user()
    write(2, by=user)
    noted = verify()
    write(2, by=user)
    call_command("verify_audit", head=f"{noted.position}:{noted.head}", stdout=None)
    with pytest.raises(CommandError, match="POSITION:HASH"):
        call_command("verify_audit", head="nonsense")


@in_database
def test_concurrent_writers_make_one_chain() -> None:
    user, writers, each = make.user(), 6, 8
    ready = threading.Barrier(writers)

    def work() -> None:
        ready.wait()
        try:
            for _ in range(each):
                with transaction.atomic():
                    log.record("workers.pause", by=user, on=user)
                    log.record("workers.pause", by=user, on=user)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = verify()
    assert (result.entries, result.fault) == (writers * each * 2, "")


@in_database
def test_a_fork_of_the_chain_is_impossible() -> None:
    user = make.user()
    entries = write(2, by=user)
    with as_somebody_with_the_database():
        extra = log.record("workers.resume", by=user, on=user)
    insert = "INSERT INTO audit_link (entry_id, previous, hash) VALUES (%s, %s, %s)"
    with pytest.raises(IntegrityError, match="previous"):
        sql(insert, extra.pk, entries[1].link.previous, "0" * 64)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_equal_fields_have_one_text(fields: dict[str, object]) -> None:
    mixed = dict(reversed(list(fields.items())))
    assert chain.payload(fields) == chain.payload(mixed)
    assert json.loads(chain.payload(fields)) == fields
