"""Side effects, after the transaction and never its undoing: what fails here is logged, and made up for elsewhere."""

from collections.abc import Callable
from functools import partial, update_wrapper
from typing import ParamSpec

from django.db import transaction

P = ParamSpec("P")


def after(effect: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """After commit, call `effect`. A failure is logged under its name, which a bare partial does not have."""
    transaction.on_commit(update_wrapper(partial(effect, *args, **kwargs), effect), robust=True)
