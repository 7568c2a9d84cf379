"""A parser that a file has taken over finds nothing but that file, and its answer is not trusted."""

import json
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner import parsing
from runner.contract import CloseCode, Limits
from runner.host.linux import process_start
from runner.parsing import Broken, Stopped
from tests.runner.sandbox.parse import space, stand_in
from tests.runner.sandbox.people import NOBODY, ROOT, public_python, readable_copy

pytestmark = pytest.mark.sandbox


def driven(command: list[str], cwd: Path, **more) -> dict[str, Any]:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False, **more)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def as_nobody() -> dict[str, Any]:
    if public_python() is None or os.getuid() != 0:
        pytest.skip("only root can become another user, and that one needs a Python in its reach")
    with readable_copy() as copy:
        command = [str(copy.python), "-B", "-m", "tests.runner.sandbox.parse"]
        variables = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "WEIR_CGROUP": "none"}
        return driven(command, copy.folder, env=variables, user=NOBODY, group=NOBODY, extra_groups=[])


def as_ourselves() -> dict[str, Any]:
    return driven(
        [sys.executable, "-m", "tests.runner.sandbox.parse"],
        ROOT,
        env={**os.environ, "WEIR_SECRET_KEY": "s" * 40},
    )


@pytest.mark.parametrize("who", [as_ourselves, as_nobody])
def test_it_sees_its_file_and_nothing_else(who):
    seen = who()
    answer = seen["answer"]
    assert answer["file"] == "person,wage\n1,2\n"
    assert answer["reads"] == []
    assert answer["connects"] == "PermissionError"
    assert set(answer["writes"].values()) <= {"PermissionError", "OSError"}
    assert answer["changes the file"] in {"PermissionError", "OSError"}
    assert answer["runs"] in {"OSError", "PermissionError", "FileNotFoundError"}
    assert answer["data"] == ["file", "file.csv"]
    assert answer["root"] == ["code.py", "data", "dev", "environment", "out", "python", "room", "tmp", "weir"]
    assert (answer["variables"], answer["capabilities"], answer["namespaces"]) == ([], False, -1)
    assert answer["user"] not in {0, os.getuid()}
    assert answer["room"] == "PermissionError"  # plain files only
    assert seen["status"] == {"Seccomp": "2", "CapEff": "0" * 16, "CapPrm": "0" * 16, "NoNewPrivs": "1"}
    assert seen.get("shared", []) == []
    assert seen["share"] == 0.25
    assert seen["kept"] == ["result", True, "0o600"]


def written(tmp_path: Path, code: str, **changed) -> parsing.Parsing:
    """The stand-in, with other code."""
    module = tmp_path / "parser.py"
    module.write_text(f"import os, json, time\nfrom pathlib import Path\n{code}\n")
    return replace(stand_in(tmp_path), modules={"parser": module}, **changed)


def ends(work: parsing.Parsing) -> CloseCode:
    with pytest.raises(Broken) as caught:
        parsing.parse(work)
    return caught.value.code


ANSWERS = {
    "no answer": ("pass", CloseCode.OUTPUT_TYPE),
    "no JSON": ("Path('/out/answer').write_text('{')", CloseCode.OUTPUT_TYPE),
    "not a number": ("Path('/out/answer').write_text('{\"a\": NaN}')", CloseCode.OUTPUT_TYPE),
    "a key twice": ("Path('/out/answer').write_text('{\"a\": 1, \"a\": 2}')", CloseCode.OUTPUT_TYPE),
    "deep": (
        "Path('/out/answer').write_text('{\"a\":' + '[' * 5000 + ']' * 5000 + '}')",
        CloseCode.OUTPUT_TYPE,
    ),
    "a list": ("Path('/out/answer').write_text('[]')", CloseCode.OUTPUT_TYPE),
    "a link": ("os.symlink('/etc/passwd', '/out/answer')", CloseCode.OUTPUT_TYPE),
    "a second name": (
        "Path('/out/a').write_text('{}'); os.link('/out/a', '/out/answer')",
        CloseCode.OUTPUT_TYPE,
    ),
    "a fault of ours": ("raise KeyError", CloseCode.EXCEPTION),
    "a crash": ("os.abort()", CloseCode.EXIT_NONZERO),
    "too long": ("time.sleep(60)", CloseCode.TIME_LIMIT),
    "too much memory": ("x = b'x' * 2**40", CloseCode.MEMORY_LIMIT),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_end_without_a_proper_answer_is_told(tmp_path, name):
    code, told = ANSWERS[name]
    limits = Limits(wall_s=3, cpu_s=3, memory_mb=256, pids=16, output_mb=1, log_mb=0.1)
    assert ends(written(tmp_path, code, limits=limits)) is told


@pytest.mark.parametrize(
    "code",
    [
        "open('/room/a', 'wb').write(b'x' * 2**22)",
        "[open(f'/room/{n}', 'wb').write(b'x' * 2**19) for n in range(8)]",
        "[open(f'/room/{n}', 'wb') for n in range(20000)] if os.close else 0",
        "os.makedirs('/room/' + '/'.join(str(n) for n in range(50))); [os.mkdir(f'/room/d{n}') for n in range(12000)]",
    ],
    ids=["one file", "several", "many names", "folders"],
)
def test_a_room_is_not_filled_beyond_its_size(tmp_path, code):
    work = written(tmp_path, f"{code}\ntime.sleep(60)")
    assert ends(work) in {CloseCode.DISK_LIMIT, CloseCode.EXCEPTION, CloseCode.EXIT_NONZERO}
    assert work.room is not None
    parsing.empty(work.room.path)
    assert not work.room.path.exists()


@pytest.mark.parametrize(
    "code",
    [
        "os.symlink('/etc/passwd', '/room/table')",
        "os.mkdir('/room/table')",
        "Path('/room/a').write_text('x'); os.link('/room/a', '/room/table')",
        "Path('/room/table').write_text('x' * 200)",
        "pass",
    ],
    ids=["link", "folder", "second name", "too large", "nothing"],
)
def test_only_a_plain_file_is_taken_over(tmp_path, code):
    work = written(tmp_path, f"{code}\nPath('/out/answer').write_text('{{}}')")
    assert parsing.parse(work) == {}
    assert work.room is not None
    with pytest.raises(Broken):
        parsing.take(work.room.path, "table", most=100)


def test_to_stop_it_kills_it(tmp_path):
    work = written(tmp_path, "Path('/room/began').touch()\nos.fork()\ntime.sleep(60)")
    before = set(os.listdir("/proc"))  # noqa: PTH208
    ids: list[tuple[int, str | None]] = []

    def heard(share: float) -> bool:
        assert work.room is not None
        if not (work.room.path / "began").exists():
            return True
        fresh = {int(name) for name in set(os.listdir("/proc")) - before if name.isdecimal()}  # noqa: PTH208
        ids.extend((pid, process_start(pid)) for pid in fresh if is_inside(pid))
        return not ids

    with pytest.raises(Stopped):
        parsing.parse(work, heard)
    assert ids != []
    assert [pid for pid, began in ids if process_start(pid) == began] == []


def is_inside(pid: int) -> bool:
    """Whether a process of ours is in a sandbox: other tests start theirs at the same time."""
    try:
        return space(str(pid), "pid") != space("self", "pid") and is_ours(pid)
    except OSError:
        return False


def is_ours(pid: int) -> bool:
    while pid not in {0, os.getpid()}:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid != 0


def test_the_room_is_the_callers_again_afterwards(tmp_path):
    work = written(tmp_path, "Path('/room/a').touch()\nPath('/out/answer').write_text('{}')")
    parsing.parse(work)
    assert work.room is not None
    status = work.room.path.stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (os.getuid(), 0o700)
    assert time.time() - status.st_mtime < 600
