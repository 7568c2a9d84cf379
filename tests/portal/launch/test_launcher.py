"""bin/launch, as a person at the console meets it: a state folder of its own, a free port."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.launch.state import State
from tests.launching import ROOT, Console
from tests.serving import free_port


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A portal started on an empty folder."""
    console = Console(tmp_path_factory.mktemp("launch") / "state", free_port(), "--no-demo")
    yield console.ready()
    if console.process.poll() is None:
        console.process.send_signal(signal.SIGTERM)
        console.ended()


@pytest.mark.slow
class TestOneLife:
    """From the first start to the last, in this order: each test leaves the portal to the next."""

    def test_the_first_start_says_where_it_is_and_how_the_first_admin_gets_in(self, launched: Console):
        assert f"http://127.0.0.1:{launched.port}\n" in launched.said
        assert f"http://127.0.0.1:{launched.port}/people/welcome/" in launched.said
        assert launched.answers()

    def test_everything_is_private_to_the_user(self, launched: Console):
        settings = launched.state / "settings.json"
        assert stat.S_IMODE(launched.state.stat().st_mode) == 0o700
        assert stat.S_IMODE(settings.stat().st_mode) == 0o600
        secret = json.loads(settings.read_text())["WEIR_POSTGRES_PASSWORD"]
        assert [command for command in launched.tree().values() if secret in command] == []

    def test_a_second_launcher_on_the_same_folder_is_turned_away(self, launched: Console):
        second = Console(launched.state, free_port())
        assert second.ended() == 1
        assert f"(process {launched.process.pid})" in second.said

    @pytest.mark.parametrize(
        "part", ["portal.server", "-Q sandbox", "-Q default", "valkey-server", "postgres -D"]
    )
    def test_a_part_that_is_killed_comes_back(self, launched: Console, part: str):
        def parts() -> list[int]:
            return sorted(pid for pid, command in launched.tree().items() if part in command)

        before = parts()
        assert before != []
        os.kill(before[0], signal.SIGKILL)
        launched.wait_for(lambda: before[0] not in parts() and parts() != [], f"{part} comes back")
        launched.wait_for(launched.answers, "it answers again")
        assert "ended (signal 9). Restarting it" in launched.said

    def test_a_launcher_that_is_killed_leaves_nothing_running(self, launched: Console):
        launched.process.kill()
        launched.ended()
        launched.wait_for(lambda: launched.tree() == {}, "no orphan is left")

    def test_the_next_start_finds_everything_and_ctrl_c_stops_it(self, launched: Console):
        before = (launched.state / "settings.json").read_text()
        again = Console(launched.state, launched.port, "--no-demo").ready()
        assert "Database up to date" in again.said
        assert json.loads((again.state / "settings.json").read_text()) == json.loads(before)
        again.process.send_signal(signal.SIGINT)
        assert again.ended() == 0
        assert again.tree() == {}
        assert again.said.endswith("Stopped. All data is still there.\n")


def refusal(tmp_path: Path, *arguments: str) -> str:
    """What bin/launch says when it cannot start; it says it before anything is made."""
    command = [sys.executable, str(ROOT / "bin" / "launch"), "--state", str(tmp_path / "state"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert not (tmp_path / "state").exists()
    return done.stdout + done.stderr


def test_a_port_in_use_is_said_with_the_way_out(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal(tmp_path, "--port", str(port))
    assert said == (
        f"Weir did not start. Port {port} is in use. "
        f"Stop the program that uses it, or choose another port: bin/launch --port {port + 1}\n"
    )


def test_a_state_folder_that_is_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    command = [sys.executable, str(ROOT / "bin" / "launch"), "--port", str(free_port()), "--state"]
    done = subprocess.run([*command, str(tmp_path / "file")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (
        1, f"Weir did not start. {tmp_path}/file is a file. Choose a folder with --state.\n"
    )  # fmt: skip


def test_servers_that_exist_already_are_used(tmp_path: Path):
    """With both URLs set none of ours is started; a database that does not answer is one clear line."""
    gone = f"postgresql://weir:x@/weir?host={tmp_path}"
    console = Console(tmp_path / "state", free_port(), DATABASE_URL=gone, REDIS_URL=os.environ["REDIS_URL"])
    assert console.ended() == 1
    assert "Using existing servers" in console.said
    assert "connection to server on socket" in console.said
    assert not (tmp_path / "state" / "postgres").exists()


def test_a_long_path_still_gets_its_sockets(tmp_path: Path):
    state = State(tmp_path / ("deep" * 20))
    sockets = state.sockets()
    assert len(str(sockets / ".s.PGSQL.5432")) < 108
    sockets.rmdir()
