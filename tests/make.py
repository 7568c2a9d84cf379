"""Builders for tests: one valid thing each, typed, with keyword overrides."""

from tests.makers.accounts import PASSWORD, admin, auditor, owner, scientist, user

__all__ = ["PASSWORD", "admin", "auditor", "owner", "scientist", "user"]
