"""Who may do what with promises, budgets and answers. A rule returns why not, or None."""

from accounts.models import EXCLUSIVE_ROLES, User
from accounts.rules import is_active, is_free_for_duties
from common.access import all_of
from datasets import rules as dataset_rules
from datasets.models import Dataset
from privacy.models import Answer, Budget, CodeTrial, LedgerLine, Promise, TopUp

MAY_LEAVE_OUT = (
    "Answers with this budget may silently leave people out, so it cannot be used for a joint question."
)


def use_of_environment(name: str) -> str:
    """Return why automatic code still needs the files of a code environment, or an empty string."""
    waiting = Answer.objects.filter(
        kind=Answer.Kind.CODE, state=Answer.State.PENDING, query__environment=name
    )
    trials = CodeTrial.objects.filter(state__in=CodeTrial.OPEN, question__environment=name)
    if waiting.exists() or trials.exists():
        return "Automatic code still uses this environment. Wait until it has been answered."
    return ""


def is_owner(user: User, promise: Promise) -> str | None:
    """The dataset's owner, whose account is active."""
    return dataset_rules.may_edit(user, promise.dataset)


def has_people(user: User, dataset: Dataset) -> str | None:
    """Every table has a column that identifies a person: otherwise no promise could be kept."""
    revision = dataset.current
    if revision is None:
        return "Publish a revision first: a promise needs published declarations."
    without = [table.name for table in revision.tables.all() if table.subject is None]
    return (
        f"Table {without[0]} has no column that identifies a person. Declare one, and publish."
        if without
        else None
    )


def is_owner_of(user: User, budget: Budget) -> str | None:
    return is_owner(user, budget.promise)


def is_own(user: User, budget: Budget) -> str | None:
    return is_free_for_duties(user) if user == budget.scientist else "This is somebody else's budget."


def is_open(user: User, budget: Budget) -> str | None:
    return None if budget.closed_at is None else "The owner has closed this budget."


def may_use_dataset(user: User, budget: Budget) -> str | None:
    """The scientist may still use the dataset."""
    return dataset_rules.may_use(budget.scientist, budget.promise.dataset)


def is_complete(user: User, budget: Budget) -> str | None:
    """Answers leave nobody out: portals that add up sums cannot say of whom theirs are."""
    return MAY_LEAVE_OUT if budget.may_leave_out else None


def has_no_open_top_up(user: User, budget: Budget) -> str | None:
    waiting = budget.top_ups.filter(state=TopUp.State.PENDING).exists()
    return "Your request for a larger budget is waiting for the owner’s decision." if waiting else None


def is_not_own(user: User, budget: Budget) -> str | None:
    """A dataset may have been handed over to somebody with a budget on it."""
    return "Somebody else has to decide on your budget." if user == budget.scientist else None


def holder_is_scientist(user: User, budget: Budget) -> str | None:
    return None if budget.scientist.is_scientist else "Only data scientists have budgets."


def may_decide_top_up(user: User, top_up: TopUp) -> str | None:
    return is_not_own(user, top_up.budget) or is_owner(user, top_up.budget.promise)


def may_read_subjects(user: User, promise: Promise) -> str | None:
    """Aggregates over the per-person ledger are exact and follow from private rows: for the owner alone.

    An auditor who works with a scientist could learn from them who took part in a question.
    """
    return is_owner(user, promise)


def may_read_ledger(user: User, promise: Promise) -> str | None:
    """Lines of the ledger are written before any row is read: for the owner and auditors."""
    return None if user.is_auditor else is_owner(user, promise)


def may_have_receipt(user: User, answer: Answer) -> str | None:
    """Whoever may read an answer may have its receipt, which holds nothing else."""
    seen = Answer.objects.visible_to(user).filter(pk=answer.pk).exists()
    return None if seen else "Only those who may read an answer can have its receipt."


def is_of_a_scientist(user: User, budget: Budget) -> str | None:
    if budget.is_everybody:
        return "This budget is everybody's: it grows with each sampled mock, and nothing else changes it."
    return None


def may_be_answered(budget: Budget) -> str | None:
    """Why a worker must not compute, or release, what a budget pays for."""
    if budget.is_everybody:
        return may_sample_mock(budget.promise.dataset.owner, budget.promise)
    return may_ask(budget.scientist, budget)


def may_have_receipt_of_charge(user: User, line: LedgerLine) -> str | None:
    """Whoever may see a budget may have the receipts of its charges, which say no more than the ledger."""
    seen = Budget.objects.visible_to(user).filter(pk=line.budget_id).exists()
    return None if seen else "Only those who may see a budget can have receipts of its charges."


def may_sample_mock(user: User, promise: Promise) -> str | None:
    """The owner of a dataset in use: mock data that is drawn from private rows is for everybody to see."""
    return dataset_rules.may_sample_mock(user, promise.dataset)


def keeps_duties_apart(person: User, role: str) -> str | None:
    """Why somebody with an open budget cannot get a role that oversees."""
    if role in EXCLUSIVE_ROLES and person.budgets.filter(closed_at=None).exists():
        return f"{person} has a budget for a dataset. The dataset’s owner has to close it first."
    return None


may_protect = all_of(is_active, dataset_rules.is_dataset_owner, dataset_rules.is_in_use, has_people)
may_ask = all_of(is_own, is_open, may_use_dataset)
may_ask_jointly = all_of(is_own, is_open, may_use_dataset, is_complete)
may_manage_budget = all_of(is_of_a_scientist, is_not_own, is_owner_of)
may_enlarge = all_of(may_manage_budget, holder_is_scientist)
may_ask_top_up = all_of(is_own, is_open, may_use_dataset, has_no_open_top_up)
