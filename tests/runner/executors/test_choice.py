"""One environment variable chooses the executor."""

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from portal import env

KNOWN = {
    "bubblewrap": "runner.executors.bubblewrap.BubblewrapExecutor",
    "gvisor": "runner.executors.gvisor.GvisorExecutor",
}


def test_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEIR_EXECUTOR", raising=False)
    assert env.choice("WEIR_EXECUTOR", KNOWN) == settings.EXECUTOR


def test_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_EXECUTOR", "gvisor")
    assert env.choice("WEIR_EXECUTOR", KNOWN) == "runner.executors.gvisor.GvisorExecutor"


def test_unknown_word_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_EXECUTOR", "docker")
    with pytest.raises(env.BadSetting, match="bubblewrap, gvisor"):
        env.choice("WEIR_EXECUTOR", KNOWN)


@pytest.mark.parametrize(
    "module", ["bubblewrap.Bubblewrap", "gvisor.Gvisor", "kubernetes.executor.Kubernetes"]
)
def test_every_executor_has_the_three_verbs(module: str) -> None:
    executor = import_string(f"runner.executors.{module}Executor")()
    assert [callable(getattr(executor, verb)) for verb in ("probe", "run", "sweep")] == [True] * 3
