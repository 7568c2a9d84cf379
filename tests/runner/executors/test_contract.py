"""The contract of all executors: one class of tests, with a subclass for each executor."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from runner.contract import CloseCode, Executor, JobResult, JobSpec, Limits, OutputFile, Status
from runner.executors.bubblewrap import BubblewrapExecutor
from runner.host.selftest import default_environment

pytestmark = pytest.mark.sandbox

LIMITS = Limits(wall_s=20, cpu_s=20, memory_mb=1024, pids=32, output_mb=1, output_files=8, log_mb=0.1)
WAGES = "person,wage\n1,10\n2,20\n3,60\n"

FORGED = "import sys, types\nerror, frame = KeyError(), sys._getframe()\n\n"


class ExecutorContract:
    executor: Executor
    limits = LIMITS

    @pytest.fixture
    def wages(self, tmp_path: Path) -> Path:
        path = tmp_path / "wages.csv"
        path.write_text(WAGES)
        return path

    def run(self, out: Path, code: str, *, inputs: dict[str, Path] | None = None, **more: Any) -> JobResult:
        out.mkdir(exist_ok=True)
        call = {name: more.pop(name) for name in ("started", "cancelled") if name in more}
        fields = {"limits": self.limits, "parameters": {}, **more}
        spec = JobSpec(
            run_id="1", code=code, inputs=inputs or {}, out=out, environment=default_environment(), **fields
        )
        return self.executor.run(spec, **call)

    def test_offers_layers(self) -> None:
        assert self.executor.probe().layers != ()

    def test_script_reads_its_input_and_writes_an_output(self, tmp_path: Path, wages: Path) -> None:
        code = (
            "import os\nrows = open(os.environ['WEIR_DATA'] + '/wages').read().splitlines()\n"
            "open(os.environ['WEIR_OUT'] + '/n.txt', 'w').write(str(len(rows) - 1))\nprint('read')\n"
        )
        result = self.run(tmp_path / "out", code, inputs={"wages": wages})
        assert (result.status, result.code, result.exit_code, result.stdout) == (
            Status.SUCCEEDED,
            None,
            0,
            "read\n",
        )
        assert [(file.name, file.type, file.bytes) for file in result.outputs] == [("n.txt", "txt", 2)]
        assert (tmp_path / "out" / "n.txt").read_text() == "3\n"

    def test_main_gets_tables_and_parameters(self, tmp_path: Path, wages: Path) -> None:
        code = (
            "def main(wages, least, most=100):\n    kept = wages[wages.wage.between(least, most)]\n"
            "    return {'n': len(kept), 'mean': kept.wage.mean()}\n"
        )
        result = self.run(tmp_path / "out", code, inputs={"wages": wages}, parameters={"least": 15})
        assert result.status is Status.SUCCEEDED, result.stderr
        assert json.loads((tmp_path / "out" / "result.json").read_text()) == {"n": 2, "mean": 40.0}

    def test_answer_of_tables_and_pictures_is_one_file_each(self, tmp_path: Path, wages: Path) -> None:
        code = (
            "import matplotlib.pyplot as plt\ndef main(wages):\n    figure, axes = plt.subplots()\n"
            "    axes.plot([1, 2])\n    return {'table': wages, 'picture': figure, 'n': len(wages)}\n"
        )
        result = self.run(tmp_path / "out", code, inputs={"wages": wages})
        assert result.status is Status.SUCCEEDED, result.stderr
        assert [file.name for file in result.outputs] == ["n.json", "picture.png", "table.parquet"]

    def test_missing_table_is_told_at_main(self, tmp_path: Path) -> None:
        result = self.run(tmp_path / "out", "\ndef main(salaries):\n    return 1\n")
        assert (result.code, result.error_class, result.error_line) == (CloseCode.EXCEPTION, "TypeError", 2)
        assert "salaries" in result.stderr

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("x = 1\n1 / 0\n", ("ZeroDivisionError", 2)),
            ("def f():\n    return {}[1]\n\nf()\n", ("KeyError", 2)),
            ("import json\n\njson.loads('{')\n", ("Exception", 3)),
            ("class KeyError(Exception): pass\nraise KeyError\n", ("Exception", 2)),
            ("x = 1\nif if\n", ("SyntaxError", 2)),
            ("def main(first, second): pass\n", ("TypeError", 1)),
            # An exception's own words on where it happened are not believed
            (
                "\n\nerror = SyntaxError()\nerror.filename = '/code.py'\nerror.lineno = 1\nraise error\n",
                ("SyntaxError", 6),
            ),
            ("\ntry:\n    compile('x x', '/code.py', 'exec')\nfinally:\n    pass\n", ("SyntaxError", 3)),
            (
                "class Odd(KeyError):\n    weir_line = 1\n    __traceback__ = None\n\nraise Odd\n",
                ("Exception", 5),
            ),
            # nor is code that calls itself by our file's name, or says that it is elsewhere in it
            ("\n\n\nexec(compile('\\n1 / 0', '/code.py', 'exec'))\n", ("ZeroDivisionError", 4)),
            (
                "def f():\n    1 / 0\n\nf.__code__ = f.__code__.replace(co_firstlineno=3)\n\nf()\n",
                ("ZeroDivisionError", 6),
            ),
            (
                "def main(absent):\n    pass\n\nmain.__code__ = main.__code__.replace(co_firstlineno=3)\n",
                ("TypeError", None),
            ),
            # nor a traceback that was made up
            (
                f"{FORGED}raise error.with_traceback(types.TracebackType(None, frame, 0, 3))\n",
                ("KeyError", 4),
            ),
            (
                f"{FORGED}raise error.with_traceback(types.TracebackType(None, frame, 999998, 3))\n",
                ("KeyError", 4),
            ),
        ],
    )
    def test_exception_is_told_by_class_and_line(
        self, tmp_path: Path, code: str, told: tuple[str, int | None]
    ) -> None:
        result = self.run(tmp_path / "out", code)
        assert (result.code, result.error_class, result.error_line) == (CloseCode.EXCEPTION, *told)

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("import sys; sys.exit(3)", (3, None)),
            ("import os; os._exit(4)", (4, None)),
            ("import sys; sys.exit(139)", (139, None)),
            ("import ctypes; ctypes.string_at(0)", (None, 11)),
            ("import os; os.abort()", (None, 6)),
            ("import sys; sys.exit('why')", (1, None)),
        ],
    )
    def test_exit_code_and_signal(
        self, tmp_path: Path, code: str, told: tuple[int | None, int | None]
    ) -> None:
        result = self.run(tmp_path / "out", code)
        assert (result.code, result.exit_code, result.signal) == (CloseCode.EXIT_NONZERO, *told)

    def test_nothing_written(self, tmp_path: Path) -> None:
        assert self.run(tmp_path / "out", "print(1)").code is CloseCode.OUTPUT_MISSING

    def test_failed_run_lets_nothing_out(self, tmp_path: Path) -> None:
        result = self.run(tmp_path / "out", "open('a.txt', 'w').write('x')\n1 / 0\n")
        assert result.outputs == ()
        assert list((tmp_path / "out").iterdir()) == []

    def test_started_once_and_resources_are_told(self, tmp_path: Path) -> None:
        starts: list[int] = []
        code = "x = bytearray(b'x') * (100 << 20)\nopen('a.txt', 'w').write('x')\n"
        result = self.run(tmp_path / "out", code, started=lambda: starts.append(1))
        assert starts == [1]
        assert 100 << 20 <= result.peak_memory_bytes < 200 << 20
        assert result.cpu_s > 0
        assert result.wall_s > 0

    def test_cancelled(self, tmp_path: Path) -> None:
        running = threading.Event()
        code = "import os, time\nos.fork()\ntime.sleep(600)\n"
        result = self.run(tmp_path / "out", code, started=running.set, cancelled=running.is_set)
        assert (result.status, result.code, result.outputs) == (Status.CANCELLED, None, ())

    def test_two_runs_at_once_do_not_meet(self, tmp_path: Path) -> None:
        code = (
            "import os, time\nopen('/tmp/mine', 'x'); open('/dev/shm/mine', 'x'); time.sleep(0.3)\n"
            "open('a.txt', 'w').write(' '.join(os.listdir('/tmp')))\n"
        )
        results: list[JobResult] = []
        threads = [
            threading.Thread(target=lambda n=n: results.append(self.run(tmp_path / f"out{n}", code)))
            for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [result.status for result in results] == [Status.SUCCEEDED] * 2, results
        assert [(tmp_path / f"out{n}" / "a.txt").read_text() for n in range(2)] == ["mine\n", "mine\n"]

    def test_input_that_others_may_not_read(self, tmp_path: Path, wages: Path) -> None:
        wages.chmod(0o400)
        result = self.run(
            tmp_path / "out", "open('a.txt', 'w').write(open('/data/wages').read())", inputs={"wages": wages}
        )
        assert result.status is Status.SUCCEEDED, result.stderr
        assert (tmp_path / "out" / "a.txt").read_text() == WAGES

    def test_portals_packages_are_not_there(self, tmp_path: Path) -> None:
        code = (
            "import importlib.util as u\n"
            "found = [n for n in ('django', 'celery', 'runner', 'pip') if u.find_spec(n)]\n"
            "open('a.txt', 'w').write(repr(found))"
        )
        self.run(tmp_path / "out", code)
        assert (tmp_path / "out" / "a.txt").read_text() == "[]\n"

    def test_libraries_work(self, tmp_path: Path) -> None:
        code = (
            "import numpy, pandas, polars, pyarrow, scipy.stats, sklearn.linear_model, statsmodels.api\n"
            "import matplotlib.pyplot\nimport multiprocessing, sqlite3\n"
            "from concurrent.futures import ProcessPoolExecutor\n"
            "sqlite3.connect('/tmp/x.db').execute('create table t (a)')\n"
            "with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork')) as pool:\n"
            "    n = sum(pool.map(abs, [-1, 2]))\n"
            "frame = polars.DataFrame({'a': [1, 2]}).lazy().select(polars.col('a').sum()).collect()\n"
            "open('a.txt', 'w').write(f'{n} {frame.item()}')\n"
        )
        result = self.run(tmp_path / "out", code)
        assert result.status is Status.SUCCEEDED, result.stderr
        assert (tmp_path / "out" / "a.txt").read_text() == "3 3\n"

    def test_wrong_jobs_are_the_callers_mistake(self, tmp_path: Path, wages: Path) -> None:
        with pytest.raises(ValueError, match="not a valid table name"):
            self.run(tmp_path / "out", "pass", inputs={"../x": wages})
        with pytest.raises(ValueError, match="does not exist"):
            self.run(tmp_path / "out", "pass", inputs={"wages": tmp_path / "nothing"})

    def test_sweep_beside_a_run(self, tmp_path: Path) -> None:
        code = "import time; time.sleep(0.2); open('a.txt', 'w').write('x')"
        result = self.run(tmp_path / "out", code, started=self.executor.sweep)
        assert [file.name for file in result.outputs] == ["a.txt"]
        assert isinstance(result.outputs[0], OutputFile)


HOSTILE_PYARROW = """
import os, json
from pathlib import Path
if "arguments" in os.environ.get("WEIR_PARAMETERS", ""):
    out = Path(os.environ["WEIR_OUT"])
    (out / "header").write_text("{}")
    (out / "body").write_bytes(Path(os.environ["WEIR_DATA"], "file").read_bytes())
    os._exit(0)
"""


class TestBubblewrap(ExecutorContract):
    executor = BubblewrapExecutor()

    def test_packages_that_a_run_brings_do_not_decode_what_it_wrote(self, tmp_path: Path) -> None:
        default = default_environment()
        packages = next((default / "lib").glob("python3*"))
        own = tmp_path / "own"
        home = own / "lib" / packages.name / "site-packages"
        (home / "pyarrow").mkdir(parents=True)
        (home / "pyarrow" / "__init__.py").write_text(HOSTILE_PYARROW)
        (own / "pyvenv.cfg").write_text((default / "pyvenv.cfg").read_text())
        out = tmp_path / "out"
        out.mkdir()
        code = (
            "import os\n"
            "open(os.environ['WEIR_OUT'] + '/t.parquet', 'wb').write(b'PAR1\\0 a private row \\0PAR1')\n"
        )
        spec = JobSpec(
            run_id="1", code=code, inputs={}, parameters={}, out=out, environment=own, limits=self.limits
        )
        result = self.executor.run(spec)
        assert [(file.name, file.reason) for file in result.refused] == [
            ("t.parquet", "The Parquet file is malformed.")
        ]
        assert list(out.iterdir()) == []


def command(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    root = Path(__file__).resolve().parents[3]
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_command_prints_one_object(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("def main(wages, k):\n    print('hello')\n    return len(wages) * k\n")
    (tmp_path / "wages.csv").write_text(WAGES)
    done = command(
        "code.py", "--input", "wages=wages.csv", "--param", "k=2", "--out", "new/out", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    done = command(
        "code.py", "--input", "wages=wages.csv", "--param", "k=2", "--out", "new/out", cwd=tmp_path
    )
    assert [path.name for path in (tmp_path / "new" / "out").iterdir()] == ["result.json"]
    told = json.loads(done.stdout)
    assert (told["status"], told["code"], told["stdout"], told["stdout_bytes"]) == (
        "succeeded",
        None,
        "hello\n",
        6,
    )
    assert [(file["name"], file["type"]) for file in told["outputs"]] == [("result.json", "json")]
    assert (tmp_path / "new" / "out" / "result.json").read_text().strip() == "6"
    assert {
        "exit_code",
        "signal",
        "wall_s",
        "cpu_s",
        "peak_memory_bytes",
        "stderr_bytes",
        "refused",
        "layers",
    } < set(told)


def test_command_says_what_is_wrong_with_its_arguments(tmp_path: Path) -> None:
    done = command("nothing.py", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing.py" in done.stderr
    (tmp_path / "code.py").write_text("pass")
    (tmp_path / "a.csv").write_text(WAGES)
    done = command("code.py", "--input", "t=a.csv", "--input", "t=a.csv", "--out", "out", cwd=tmp_path)
    assert (done.returncode, "--input gives t more than once" in done.stderr) == (2, True)


def test_command_without_an_environment(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("pass")
    done = command("code.py", "--out", "out", "--environment", "none", cwd=tmp_path)
    assert done.returncode == 3
    assert "runner.environments build" in done.stderr
