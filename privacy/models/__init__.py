"""Automatic answers: the promise for a dataset, scientists' budgets, every charge, and every answer."""

from privacy.models.answers import Answer, AnswerQuerySet, Batch
from privacy.models.budgets import EVERYBODY, Budget, BudgetQuerySet, LedgerLine, TopUp
from privacy.models.code import BlockReport, CodeTrial, CodeTrialQuerySet
from privacy.models.promises import DOUBLED_FOR, EXTENDED_LIMIT, THRESHOLD_ANSWERS, Promise, new_key

__all__ = [
    "DOUBLED_FOR",
    "EVERYBODY",
    "EXTENDED_LIMIT",
    "THRESHOLD_ANSWERS",
    "Answer",
    "AnswerQuerySet",
    "Batch",
    "BlockReport",
    "Budget",
    "BudgetQuerySet",
    "CodeTrial",
    "CodeTrialQuerySet",
    "LedgerLine",
    "Promise",
    "TopUp",
    "new_key",
]
