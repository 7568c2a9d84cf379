"""Side effects that run after commit and cannot roll it back: a failure is logged, and a sweep makes up for it."""

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import ParamSpec

from django.db import transaction

P = ParamSpec("P")


def after(effect: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call `effect` after commit. A failure is logged under its name, which a bare partial does not have."""
    transaction.on_commit(update_wrapper(partial(effect, *args, **kwargs), effect), robust=True)
