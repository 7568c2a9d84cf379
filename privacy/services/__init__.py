"""The public services for promises and budgets. Pricing and asking questions is in `questions` and `batches`."""

from privacy.services.budgets import (
    ask_top_up,
    change_budget,
    close_budget,
    decide_top_up,
    equal_share,
    give_budget,
    mu_for,
)
from privacy.services.promises import note_export, protect, publish_rows, threshold_delta, usual_delta

__all__ = [
    "ask_top_up",
    "change_budget",
    "close_budget",
    "decide_top_up",
    "equal_share",
    "give_budget",
    "mu_for",
    "note_export",
    "protect",
    "publish_rows",
    "threshold_delta",
    "usual_delta",
]
