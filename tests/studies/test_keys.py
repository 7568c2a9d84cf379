"""Keys of masks: files that only the portal reads, gone from the disk before anything is sent."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from crypto import masks
from studies import keys

SHA = "ab" * 32


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.STORE = tmp_path
    return tmp_path / keys.FOLDER


def test_a_key_is_made_once_and_deleted_for_good(store):
    public = keys.make(SHA)
    assert keys.make(SHA) == public == masks.public_of(keys.read(SHA))
    (path,) = store.iterdir()
    assert (path.stat().st_mode & 0o777, store.stat().st_mode & 0o777) == (0o600, 0o700)
    keys.forget(SHA)
    assert not keys.exists(SHA)
    assert list(store.iterdir()) == []
    with pytest.raises(keys.NoKey):
        keys.read(SHA)
    keys.forget(SHA)


def test_names_and_deletions_are_on_disk_before_anything_follows(store, monkeypatch):
    synced = []
    sync = os.fsync

    def noted(handle):
        synced.append(
            (Path(f"/proc/self/fd/{handle}").readlink().name, [each.name for each in store.iterdir()])
        )
        sync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    keys.make(SHA)
    assert synced == [(f"{SHA}.part", [f"{SHA}.part"]), (keys.FOLDER, [f"{SHA}.key"])]
    keys.forget(SHA)
    assert synced[2:] == [(keys.FOLDER, [])]


def test_half_a_key_is_none(store):
    keys.make(SHA)
    (path,) = store.iterdir()
    path.write_bytes(b"short")
    with pytest.raises(keys.NoKey):
        keys.read(SHA)


def test_only_hashes_name_keys():
    with pytest.raises(ValueError, match="64 hex digits"):
        keys.read("../secret")


def test_what_was_never_written_whole_is_swept(store):
    keys.make(SHA)
    (store / f"{'cd' * 32}.part").write_bytes(b"half")
    assert list(keys.older(timezone.now() - keys.UNCLAIMED)) == []
    assert len(list(store.iterdir())) == 2
    assert list(keys.older(timezone.now() + timedelta(seconds=1))) == [SHA]
    assert [path.name for path in store.iterdir()] == [f"{SHA}.key"]
