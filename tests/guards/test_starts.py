"""Programs are started, and code that was not shipped is run, in the places that are listed here and nowhere else."""

from pathlib import Path

import pytest

from tests.guards import starts
from tests.guards.test_source import ROOT, sources, writers

OPERATOR = "The launcher, at the console of whoever runs the portal: "
SANDBOX = "Inside a sandbox: "
ALLOWED = {
    "datasets/ingest/unsandboxed.py parse: subprocess.Popen": (
        "Our own module, with an environment of its own, over an owner's file: only where no sandbox can be made and "
        "an admin has said that files are read all the same."
    ),
    "portal/launch/one_portal.py Launch.migrate: subprocess.run": OPERATOR + "Django's own commands.",
    "portal/launch/one_portal.py Launch.prepare: subprocess.run": OPERATOR + "Django's own commands.",
    "portal/launch/acting.py Acting.__init__: subprocess.Popen": OPERATOR + "our own command, in a demo portal.",
    "portal/launch/begin.py main: os.execv": OPERATOR + "goes on as the portal's Python.",
    "portal/launch/checks.py passes: subprocess.run": OPERATOR + "the checks of the source.",
    "portal/launch/coverage.py main: subprocess.run": OPERATOR + "reads what the tests have covered.",
    "portal/launch/install.py _pip: subprocess.run": OPERATOR + "asks whether pip is there.",
    "portal/launch/install.py _run: subprocess.run": OPERATOR
    + "installs the portal itself, from its own list with hashes: that is trusted as the portal is. "
    "Of code environments it starts the builder alone.",
    "portal/launch/install.py _version: subprocess.run": OPERATOR + "asks Node for its version.",
    "portal/launch/postgres.py Postgres._check_version: subprocess.run": OPERATOR + "Postgres.",
    "portal/launch/postgres.py Postgres.initialise: subprocess.run": OPERATOR + "Postgres.",
    "portal/launch/postgres.py Postgres.run: subprocess.run": OPERATOR + "Postgres' own tools.",
    "portal/launch/processes.py Child.start: subprocess.Popen": OPERATOR + "the portal's processes.",
    "portal/launch/tests.py packages: subprocess.run": OPERATOR + "installs a browser and WireGuard.",
    "portal/launch/tests.py _run: subprocess.run": OPERATOR + "the tests.",
    "portal/launch/tests.py checks: subprocess.Popen": OPERATOR + "the checks of the source.",
    "runner/host/core.py _filler: subprocess.Popen": "Our own lines, no packages (-I -S): they count in a loop.",
    "runner/host/local_sandbox.py _spawn: subprocess.Popen": "Bubblewrap, without any variable.",
    "runner/build/inside/download.py main: runpy.run_module": SANDBOX + "the host's own pip.",
    "runner/build/pipeline.py _pip: subprocess.run": "The host's own Python (-I) is asked where its pip is.",
    "runner/build/unsandboxed.py Unsandboxed._run: subprocess.Popen": (
        "The host's own Python without any packages (-I -S), on a script of ours that imports none that it unpacks."
    ),
    "runner/executors/gvisor.py Runsc.__post_init__: subprocess.Popen": "gVisor.",
    "runner/executors/gvisor.py _runsc: subprocess.run": "gVisor.",
    "runner/inside/confine.py _permit: LIBC.syscall": SANDBOX + "Landlock.",
    "runner/inside/confine.py _ruleset: LIBC.syscall": SANDBOX + "Landlock.",
    "runner/inside/confine.py landlock: LIBC.syscall": SANDBOX + "Landlock.",
    "runner/inside/confine.py landlock_version: LIBC.syscall": SANDBOX + "Landlock.",
    "runner/inside/courier.py start: os.execv": SANDBOX + "the harness.",
    "runner/inside/courier.py start: os.fork": SANDBOX + "the harness.",
    "runner/inside/escape.py executes: os.execv": SANDBOX + "the self-test tries whether it is refused.",
    "runner/inside/escape.py executes: os.fork": SANDBOX + "the self-test tries whether it is refused.",
    "runner/inside/escape.py makes_namespaces: LIBC.unshare": SANDBOX + "the self-test tries whether it is refused.",
    "runner/inside/escape.py starts_too_many: os.fork": SANDBOX + "the self-test tries whether it is refused.",
    "runner/inside/start.py _beside: __import__": SANDBOX + "another file of the harness.",
    "runner/inside/start.py _execute: exec": SANDBOX + "the submitted code.",
    "runner/inside/start.py _is_crowded: os.fork": SANDBOX + "looks whether one more process is refused.",
    "runner/inside/block_server.py <module>: __import__": SANDBOX + "another file of the harness.",
    "runner/inside/block_server.py BlockServer._fork: LIBC.unshare": SANDBOX + "one child for each block.",
    "runner/inside/block_server.py BlockServer._fork: os.fork": SANDBOX + "one child for each block.",
    "runner/inside/block_call.py _main: exec": SANDBOX + "the submitted code.",
    "runner/inside/block_server.py _fresh_folders: LIBC.unshare": SANDBOX + "one child for each block.",
    "runner/inside/answers.py <module>: __import__": SANDBOX + "its own other files, which lie beside it.",
    "runner/inside/answer_values.py <module>: __import__": SANDBOX + "as answers.py.",
    "runner/inside/preload.py _import: __import__": SANDBOX + "libraries that code will ask for.",
    "runner/inside/preload.py load: __import__": SANDBOX + "pandas, for every block.",
    "runner/inside/preload.py _numpy: __import__": SANDBOX + "libraries that code will ask for.",
    "runner/host/spawner.py _Spawner.__init__: subprocess.Popen": "Our own script, no packages (-I -S), no variables.",
    "runner/host/spawner_process.py _begin: os.execve": "Bubblewrap, as the run's own user.",
    "runner/host/spawner_process.py _show: LIBC.unshare": "A view of files for bubblewrap.",
    "runner/host/spawner_process.py _start: LIBC.syscall": "A process for bubblewrap.",
}  # fmt: skip


def programs() -> list[Path]:
    """The product's own Python, also where its name does not say so."""
    return [
        *sources(),
        ROOT / "manage.py",
        *sorted(path for path in (ROOT / "bin").iterdir() if path.is_file()),
    ]


def test_what_starts_something_is_listed_with_its_reason():
    """Whatever is new here: does it run anything that a stranger, or a package, has written? Then not on the host."""
    found = {f"{path.relative_to(ROOT)} {place}" for path in programs() for place in starts.in_file(path)}
    assert found - set(ALLOWED) == set()
    assert set(ALLOWED) - found == set()


def test_no_interpreter_of_an_environment_is_ever_named():
    """`pip --python` starts pip again in the interpreter that it names: that is for the portal's own packages alone."""
    assert writers(r"[\"']--python[\"' =]") == ["portal/launch/install.py"]
    assert writers(r"(ENVIRONMENT|environment)\b.{0,20}[\"']bin[\"']") == []


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess\nsubprocess.run([])",
        "import subprocess as s\ns.Popen([])",
        "from subprocess import check_output as c\nc([])",
        "from functools import partial\nimport subprocess\npartial(subprocess.run, [])",
        "import os\nos.execve('', [], {})",
        "import os as o\nstart = o.posix_spawn",
        "from os import fork\nfork()",
        "import multiprocessing.pool\nmultiprocessing.pool.Pool()",
        "from multiprocessing import Process\nProcess()",
        "import multiprocessing as m\nm.get_context('spawn')",
        "from concurrent.futures import ProcessPoolExecutor\nProcessPoolExecutor()",
        "import concurrent.futures\nconcurrent.futures.ProcessPoolExecutor()",
        "from concurrent import futures\nfutures.ProcessPoolExecutor()",
        "import asyncio\nasyncio.create_subprocess_exec('')",
        "import ctypes\nctypes.CDLL(None).system(b'')",
        "import site\nsite.addsitedir('')",
        "import venv\nvenv.create('')",
        "from importlib import util\nutil.spec_from_file_location('', '')",
        "exec('')",
        "class A:\n    async def b(self):\n        eval('')",
    ],
)
def test_no_start_is_overlooked(text: str, tmp_path: Path):
    (tmp_path / "file.py").write_text(text)
    assert starts.in_file(tmp_path / "file.py") != set()


@pytest.mark.parametrize(
    "text",
    [
        "import subprocess\ndef f(child: subprocess.Popen) -> None:\n    subprocess.PIPE, subprocess.TimeoutExpired",
        "import os\nos.environ, os.path.join('')",
        "import re\nre.compile('').match('')",
        "def run(): ...\nrun()",
    ],
)
def test_and_nothing_else_is_taken_for_one(text: str, tmp_path: Path):
    (tmp_path / "file.py").write_text(text)
    assert starts.in_file(tmp_path / "file.py") == set()
