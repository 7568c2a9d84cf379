"""What bin/launch is asked for, and what the network demo makes of it."""

import json
import shutil
import tempfile
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from portal.launch import options
from portal.launch.console import Trouble
from portal.launch.postgres import Postgres
from portal.launch.processes import Child
from portal.launch.three_portals import NetworkDemo
from tests.serving import free_port


def made(home: Path, password: str) -> tuple[Postgres, Child]:
    """A new cluster, not started."""
    sockets = Path(tempfile.mkdtemp(prefix="weir-"))
    postgres = Postgres(home=home, sockets=sockets, password=password, durable=False)
    postgres.initialise()
    return postgres, postgres.child(home / "log")


def execute(postgres: Postgres, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(postgres.url())) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []


def chosen(tmp_path: Path, *arguments: str) -> Namespace:
    given = ["--network-demo", "--state", str(tmp_path / "state"), "--port", str(min(free_port(), 65_000))]
    return options.parse([*given, *arguments])


def test_each_portal_of_the_network_demo_has_an_address_and_a_folder_of_its_own(tmp_path: Path):
    three = options.portals(chosen(tmp_path, "--port", "8000"))
    assert [(each.host, each.port, each.state.name) for each in three] == [
        ("127.0.0.1", 8000, "north"),
        ("127.0.0.2", 8001, "west"),
        ("127.0.0.3", 8002, "south"),
    ]


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"])
def test_the_network_demo_takes_no_servers_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    for each in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        monkeypatch.delenv(each, raising=False)
    options.check(chosen(tmp_path))
    monkeypatch.setenv(name, "unix:///elsewhere")
    with pytest.raises(Trouble, match=f"Unset {name}"):
        options.check(chosen(tmp_path))


def test_the_network_demo_is_for_this_machine(tmp_path: Path):
    with pytest.raises(Trouble, match="without --host"):
        options.check(chosen(tmp_path, "--host", "0.0.0.0"))


def test_a_port_beyond_the_last_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for each in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"):
        monkeypatch.delenv(each, raising=False)
    with pytest.raises(Trouble, match="65536 is not a port"):
        options.check(chosen(tmp_path, "--port", "65534"))
    assert not (tmp_path / "state").exists()


def test_without_a_folder_the_demos_do_not_meet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("WEIR_STATE", raising=False)
    assert options.parse([]).state == options.ROOT / "var"
    assert options.parse(["--network-demo"]).state == options.ROOT / "var" / "network"


def test_portals_that_know_each_other_keep_their_ports(tmp_path: Path):
    state = tmp_path / "state"
    state.mkdir()
    (state / "network-demo.json").write_text(json.dumps({"port": 8000, "introduced": True}))
    with pytest.raises(Trouble, match="Start with --port 8000"):
        NetworkDemo(chosen(tmp_path, "--port", "9000")).run()
    assert [path.name for path in state.iterdir()] == ["network-demo.json"]


@pytest.mark.slow
def test_tables_are_copied_between_clusters(tmp_path: Path):
    clusters = [made(tmp_path / name, name) for name in ("first", "second")]
    try:
        for postgres, child in clusters:
            child.start()
            postgres.wait(child)
            postgres.create_database()
        (first, _), (second, _) = clusters
        assert (first.is_empty(), second.is_empty()) == (True, True)
        execute(first, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('weir')")
        first.copy_to(second)
        assert execute(second, "SELECT word FROM kept") == [("weir",)]
        with pytest.raises(Trouble, match="already exists"):
            first.copy_to(second)
    finally:
        for postgres, child in clusters:
            child.stop()
            shutil.rmtree(postgres.sockets)
