"""Budgets: list, read, give, change and close them."""

from typing import Any, Literal
from uuid import UUID

from django_filters import FilterSet, UUIDFilter
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.access import require
from common.rest.bodies import Body, Item, WithReason
from common.rest.endpoints import Endpoint, acts, changes, creates, lists, reads
from common.rest.grants import Call, one, within
from common.rest.problems import Stale
from common.rest.references import DatasetReference, PersonReference, Reference
from privacy import dates, models, queries, rules, services
from privacy.declarations import specs_of
from privacy.engine.accounting import noise_epsilon
from privacy.engine.language.schema import ColumnSpec, Kind
from privacy.models import BudgetQuerySet
from privacy.services.budgets import Changed


class HolderReference(PersonReference):
    """The scientist whose budget it is, by name, or the portal where everybody's pays for a sampled mock."""

    id = serializers.UUIDField(source="scientist_id")
    name = serializers.CharField(source="holder")


class BudgetItem(Item):
    """What one scientist may spend on one dataset."""

    id = serializers.UUIDField()
    dataset = DatasetReference(source="promise.dataset")
    scientist = HolderReference(source="*", help_text="Or everybody, for sampled mocks.")
    epsilon = serializers.SerializerMethodField()
    delta = serializers.FloatField(source="promise.delta")
    mode = serializers.SerializerMethodField(help_text="extended: answers may silently leave people out.")
    share_used = serializers.FloatField(help_text="In the worst case over all public cells; 1 is everything.")
    top_up = Reference(
        source="open_top_up", allow_null=True, help_text="The request for a larger budget that waits."
    )
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)

    def get_epsilon(self, budget: models.Budget) -> float:
        return noise_epsilon(budget.mu, budget.promise.noise_delta)

    def get_mode(self, budget: models.Budget) -> Literal["complete", "extended"]:
        return "extended" if budget.may_leave_out else "complete"


class AskableColumn(Item):
    """A column as questions are checked against it."""

    name = serializers.CharField()
    kind = serializers.CharField(help_text=f"One of {', '.join(Kind)}.")
    unit = serializers.CharField()
    bounds = serializers.SerializerMethodField(help_text="Numbers; of dates, ISO text; of others, null.")
    values = serializers.ListField(child=serializers.CharField(), source="labels")
    nullable = serializers.BooleanField()
    constant = serializers.BooleanField(help_text="The same in all rows of a person.")
    rows_per_value = serializers.IntegerField(
        allow_null=True, help_text="Rows of a person with the same value, at most."
    )
    decimals = serializers.IntegerField(allow_null=True)

    def get_bounds(self, column: ColumnSpec) -> list[float | str] | None:
        ends = [column.lower, column.upper]
        if column.kind == Kind.DATE:
            return [str(dates.iso(end)) for end in ends]
        return [*ends] if column.is_numeric else None


class AskableTable(Item):
    """A table that questions can be about."""

    name = serializers.CharField()
    person = serializers.CharField(source="subject", help_text="The column that identifies a person.")
    rows_per_person = serializers.IntegerField(source="max_rows", help_text="At most, as declared.")
    rows = serializers.SerializerMethodField(
        help_text="About how many, where the owner has published it, or null."
    )
    columns = serializers.SerializerMethodField()

    def get_rows(self, table: Any) -> int | None:
        rows: dict[str, int] = self.context["rows"]
        return rows.get(table.name)

    @extend_schema_field(AskableColumn(many=True))
    def get_columns(self, table: Any) -> Any:
        return AskableColumn(table.columns.values(), many=True).data


class BudgetDetail(BudgetItem):
    """A budget, and the tables that can be asked with it."""

    people = serializers.IntegerField(
        source="promise.public_size", help_text="About how many people the dataset holds (public)."
    )
    tables = serializers.SerializerMethodField()

    @extend_schema_field(AskableTable(many=True))
    def get_tables(self, budget: models.Budget) -> Any:
        promise, revision = budget.promise, budget.promise.dataset.current
        tables = specs_of(revision, promise.constants).values() if revision else ()
        return AskableTable(tables, many=True, context={"rows": promise.public_rows}).data


class BudgetFilters(FilterSet):
    """Which budgets to list."""

    dataset = UUIDFilter("promise__dataset", help_text="The id of a dataset.")
    scientist = UUIDFilter("scientist", help_text="The id of a person.")


class NewBudget(Body):
    """A budget to give. Extended mode is given in the browser only."""

    scientist = serializers.UUIDField(help_text="The id of a scientist with access to the dataset.")
    epsilon = serializers.FloatField(
        required=False, allow_null=True, help_text="Without it, one of the equal budgets is given."
    )


class ChangedBudget(Body):
    """What can be changed about a budget."""

    epsilon = serializers.FloatField(help_text="Of the whole budget, with what is used already.")


def visible(call: Call) -> BudgetQuerySet:
    """Return the budgets that this call may see."""
    rows: BudgetQuerySet = within(call, queries.budgets_of(call.user), "promise__dataset")  # type: ignore[assignment]
    return rows


def the_budget(call: Call, pk: UUID) -> models.Budget:
    """Return a budget that this call may see. Raises Http404."""
    return one(call, queries.budgets_of(call.user), dataset="promise__dataset", pk=pk)


def the_promise(call: Call, dataset: UUID) -> models.Promise:
    """Return the promise of a dataset that this person manages or oversees. Raises Http404."""
    rows = queries.overseen_by(call.user).filter(promise__isnull=False)
    found: models.Promise = one(call, rows, dataset="pk", pk=dataset).promise
    return found


class Budgets(Endpoint):
    """Budgets."""

    @lists(BudgetItem, filters=BudgetFilters)
    def get(self, call: Call) -> BudgetQuerySet:
        """List your own budgets, and those of datasets that you own or oversee."""
        return visible(call)


class Budget(Endpoint):
    """One budget."""

    budget: models.Budget | None = None
    """What `get` has read: a change is one of this, so that a top-up after the comparison of ETags is not lost."""

    @reads(BudgetDetail)
    def get(self, call: Call, pk: UUID) -> models.Budget:
        """Read a budget and the tables that can be asked with it."""
        self.budget = the_budget(call, pk)
        return self.budget

    @changes(body=ChangedBudget, durable=True, scope="budgets", confirms="Change a scientist's budget")
    def patch(self, call: Call, fields: dict[str, float], pk: UUID) -> None:
        """Change the size of a budget of your dataset. One that has been used can only grow."""
        budget = self.budget or the_budget(call, pk)
        if not fields:
            require(rules.may_enlarge, call.user, budget)
            return
        try:
            services.change_budget(
                budget, by=call.user, epsilon=fields["epsilon"], generation=budget.generation
            )
        except Changed as changed:
            raise Stale("This budget was changed meanwhile. Read it again, then change it.") from changed


class BudgetClose(Endpoint):
    """The end of a budget."""

    @acts(BudgetItem, body=WithReason, scope="budgets", confirms="Close a scientist's budget")
    def post(self, call: Call, fields: dict[str, str], pk: UUID) -> models.Budget:
        """Close a budget of your dataset for good. What was spent stays spent."""
        services.close_budget(the_budget(call, pk), by=call.user, reason=fields["reason"])
        return the_budget(call, pk)


class DatasetBudgets(Endpoint):
    """The budgets of a dataset."""

    @creates(
        BudgetItem,
        body=NewBudget,
        again=the_budget,
        at="api:budget",
        hands_key=True,
        scope="budgets",
        confirms="Give a scientist a budget",
    )
    def post(self, call: Call, fields: dict[str, Any], *, key: UUID, pk: UUID) -> models.Budget:
        """Give a scientist with access to your dataset a budget. Each has at most one, so it is never given twice."""
        promise = the_promise(call, pk)
        scientist = queries.scientist_with_access(promise, fields["scientist"])
        given = services.give_budget(promise, scientist, by=call.user, epsilon=fields.get("epsilon"))
        return the_budget(call, given.pk)
