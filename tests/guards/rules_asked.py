"""Which rules are asked during one request: by whom, of what, and from where in the code."""

import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from types import ModuleType
from typing import Any

import pytest
from django.db.models import Model
from django.template.loader import get_template

import accounts.rules
import datasets.rules
import network.rules
import privacy.rules
import requests_app.rules
import studies.rules
from requests_app import workflow
from tests.guards.pages import every_page

MODULES: tuple[ModuleType, ...] = (
    accounts.rules,
    datasets.rules,
    requests_app.rules,
    privacy.rules,
    network.rules,
    studies.rules,
)
APPS = ("accounts", "audit", "datasets", "requests_app", "privacy", "network", "studies", "portal", "common")
OURS = {__name__, "common.access", "contextlib"}

Question = tuple[str, tuple[object, ...]]
"""A rule and what it was asked about: `("datasets.may_edit", (("User", 1), ("Dataset", 7)))`."""


@dataclass
class Asked:
    """The questions of one request. Rules that another rule asks are part of its answer and are not counted."""

    places: dict[Question, list[str]] = field(default_factory=dict)

    def note(self, name: str, args: tuple[object, ...]) -> None:
        self.places.setdefault((name, _key(args)), []).append(_place())

    def repeated(self) -> dict[str, tuple[str, ...]]:
        """The rules that were asked more than once with equal arguments, each with the places that asked."""
        return {name: tuple(places) for (name, _), places in self.places.items() if len(places) > 1}

    def names(self) -> Counter[str]:
        return Counter(name for (name, _), places in self.places.items() for _ in places)


def _key(args: tuple[object, ...]) -> tuple[object, ...]:
    """Arguments by what they are: rows by their keys. A rule that is about nobody else may leave None out."""
    known = [(arg._meta.label, arg.pk) if isinstance(arg, Model) else repr(arg) for arg in args]
    while known and known[-1] == "None":
        known.pop()
    return tuple(known)


def _place() -> str:
    """The function that asked, past what only passes the question on."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") in OURS:
        frame = frame.f_back
    return f"{frame.f_globals['__name__']}.{frame.f_code.co_name}"


def rules() -> dict[str, Any]:
    """Every public rule by its name: what the modules define, and what they make by all_of and any_of."""
    return {
        f"{module.__name__.partition('.')[0]}.{name}": rule
        for module in MODULES
        for name, rule in vars(module).items()
        if not name.startswith("_") and inspect.isfunction(rule) and _is_of(rule, module)
    }


def _is_of(rule: Any, module: ModuleType) -> bool:
    """Whether the module defines this function, rather than importing it."""
    return rule.__module__ == module.__name__ or rule.__qualname__.endswith(".<locals>.combined")


@contextmanager
def counting() -> Iterator[Callable[[], Asked]]:
    """Count questions while this is open. Each call of what is yielded begins another count and returns it.

    Every name under which the portal's modules and the tables of the workflow hold a rule is replaced.
    """
    _load()
    state = _State()
    wrapped = {id(rule): state.watched(rule, name) for name, rule in rules().items()}
    with pytest.MonkeyPatch.context() as patch:
        for module in [module for name, module in sys.modules.items() if name.partition(".")[0] in APPS]:
            for name, value in list(vars(module).items()):
                if id(value) in wrapped:
                    patch.setattr(module, name, wrapped[id(value)])
        for machine in workflow.MACHINES.values():
            for name, step in list(machine.items()):
                patch.setitem(machine, name, replace(step, rule=wrapped[id(step.rule)]))
        yield state.begin


def _load() -> None:
    """Import what is imported only when a page is first asked for: it would keep what it finds while this is open."""
    every_page()
    get_template("errors/404.html")


class _State:
    def __init__(self) -> None:
        self.asked, self.depth = Asked(), 0

    def begin(self) -> Asked:
        self.asked = Asked()
        return self.asked

    def watched(self, rule: Any, name: str) -> Any:
        @wraps(rule)
        def ask(*args: Any, **kwargs: Any) -> Any:
            if self.depth == 0:
                self.asked.note(name, (*args, *kwargs.values()))
            self.depth += 1
            try:
                return rule(*args, **kwargs)
            finally:
                self.depth -= 1

        return ask
