"""How waits are shown."""

import io
import sys

import pytest

from weir.progress import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_has_one_line_that_changes_and_goes():
    stream = Terminal()
    with Progress("run 1", stream=stream) as line:
        line.show("waiting")
        line.show("running", 0.5)
    assert stream.getvalue().count("\n") == 0
    assert "run 1: running ██████████░░░░░░░░░░ 50%, 0 s" in stream.getvalue()
    assert stream.getvalue().endswith(" \r")


def test_a_file_has_a_line_now_and_then(monkeypatch):
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr("weir.progress.time.monotonic", lambda: now[0])
    with Progress("run 1", stream=stream) as line:
        for second in (0, 10, 20, 31, 40, 62):
            now[0] = float(second)
            line.show("running")
    assert stream.getvalue() == "run 1: running, 0 s\nrun 1: running, 31 s\nrun 1: running, 62 s\n"


def test_quiet_is_quiet():
    stream = Terminal()
    with Progress("run 1", quiet=True, stream=stream) as line:
        line.show("running")
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("modules", "where"), [({}, "err"), ({"ipykernel": None}, "out")])
def test_a_notebook_does_not_show_a_wait_like_an_error(monkeypatch, capsys, modules, where):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    with Progress("run 1") as line:
        line.show("running")
    assert "run 1: running, 0 s" in getattr(capsys.readouterr(), where)
