"""Builders for tests: one valid thing each, typed, with keyword overrides."""

from tests.makers.accounts import PASSWORD, admin, auditor, guest, owner, scientist, user
from tests.makers.datasets import (
    access_request,
    current,
    dataset,
    draft,
    grant,
    next_revision,
    reviewer,
    table,
)
from tests.makers.requests import code_request, worker

__all__ = [
    "PASSWORD",
    "access_request",
    "admin",
    "auditor",
    "code_request",
    "current",
    "dataset",
    "draft",
    "grant",
    "guest",
    "next_revision",
    "owner",
    "reviewer",
    "scientist",
    "table",
    "user",
    "worker",
]
