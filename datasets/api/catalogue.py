"""Datasets for everybody who may see them: the list, one of them, its schema and its mock data."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.utils.decorators import method_decorator
from django_filters import CharFilter, ChoiceFilter, FilterSet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from common.heavy_views import computing
from common.rest.bodies import Body, Item
from common.rest.endpoints import Endpoint, changes, creates, lists, reads, sends
from common.rest.grants import Call, one, require_every_dataset, within
from common.rest.references import NumberedReference, PersonReference, Reference
from datasets import models, queries, rules, search, services
from datasets.api.shared import visible
from datasets.services import mocks

RULES = "Change a dataset's rules or terms"


class DatasetItem(Item):
    """A dataset in a list, and what the caller has to do with it."""

    id = serializers.UUIDField()
    name = serializers.CharField(help_text="Its name in code. It never changes.")
    title = serializers.CharField()
    summary = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    state = serializers.ChoiceField(models.Dataset.State.choices)
    discoverable = serializers.BooleanField(help_text="Whether every data scientist finds it in lists.")
    owner = PersonReference()
    created_at = serializers.DateTimeField()
    is_own = serializers.SerializerMethodField(help_text="You own it.")
    is_reviewer = serializers.BooleanField(help_text="You review it.")
    is_granted = serializers.BooleanField(help_text="You have access.")
    is_asked = serializers.BooleanField(help_text="You have asked for access and wait for the decision.")

    def get_is_own(self, dataset: models.Dataset) -> bool:
        own: bool = dataset.owner == self.context["call"].user
        return own


class PolicyItem(Item):
    """The rules of the review lane for a dataset."""

    reviewers_needed = serializers.IntegerField()
    blinded = serializers.BooleanField(help_text="Reviewers see other verdicts only after giving their own.")
    max_runs = serializers.IntegerField(help_text="Runs per approval, at most.")
    approval_days = serializers.IntegerField(help_text="Days an approval lasts, at most.")
    wall_seconds = serializers.IntegerField(help_text="Time limit of a run.")
    memory_mb = serializers.IntegerField(help_text="Memory limit of a run.")
    threshold = serializers.IntegerField(help_text="The smallest group that may be shown.")
    run_isolation = serializers.ChoiceField(models.Dataset.Isolation.choices)
    end_step_seconds = serializers.IntegerField(help_text="The end of a run is announced in these steps.")
    held_downloads = serializers.SerializerMethodField(
        help_text="Whether reviewers may download held files; null for people who do not review."
    )

    def get_held_downloads(self, dataset: models.Dataset) -> bool | None:
        reviews = rules.is_reviewer(self.context["call"].user, dataset) is None
        return dataset.held_downloads if reviews else None


class DatasetDetail(DatasetItem):
    """A dataset, with its description and policy."""

    description = serializers.CharField(help_text="Markdown.")
    state_reason = serializers.CharField(help_text="Why it is frozen or retired.")
    revision = NumberedReference(source="current", allow_null=True, help_text="The published one.")
    terms = NumberedReference(allow_null=True, help_text="The current terms of use.")
    policy = PolicyItem(source="*")


class Tags(serializers.ListField):
    """Words by which people search."""

    child = serializers.CharField(max_length=40)

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=12, help_text="Words by which people search.", **options)


class NewDataset(Body):
    """The name and the description of a new dataset."""

    name = serializers.CharField(max_length=63, help_text="Lower-case letters, digits and underscores.")
    title = serializers.CharField(max_length=200)
    summary = serializers.CharField(max_length=400, allow_blank=True, required=False)
    description = serializers.CharField(max_length=20_000, allow_blank=True, required=False)
    tags = Tags(required=False)
    discoverable = serializers.BooleanField(required=False)


class PolicyChange(Body):
    """Rules of the review lane."""

    reviewers_needed = serializers.IntegerField()
    blinded = serializers.BooleanField()
    max_runs = serializers.IntegerField()
    approval_days = serializers.IntegerField()
    wall_seconds = serializers.IntegerField()
    memory_mb = serializers.IntegerField()
    threshold = serializers.IntegerField()
    run_isolation = serializers.ChoiceField(models.Dataset.Isolation.choices)
    end_step_seconds = serializers.ChoiceField(models.Dataset.EndStep.choices)
    held_downloads = serializers.BooleanField()


class DatasetChange(Body):
    """What can be changed about a dataset."""

    title = serializers.CharField(max_length=200)
    summary = serializers.CharField(max_length=400, allow_blank=True)
    description = serializers.CharField(max_length=20_000, allow_blank=True)
    tags = Tags()
    discoverable = serializers.BooleanField()
    policy = PolicyChange()


class DatasetFilters(FilterSet):
    """The filters of the catalogue."""

    text = CharFilter(
        method="with_text",
        max_length=100,
        help_text="Beginnings of words: of the title, name, tags, summary and description, of the owner's name, and "
        "of tables and columns.",
    )
    show = ChoiceFilter(
        method="shown",
        choices=[(value, words) for value, words in search.SHOWN.items() if value],
        help_text="Only your own, those that you review, have access to, have asked for, or may use now, or those "
        "that answer automatically.",
    )

    def with_text(self, rows: QuerySet[models.Dataset], name: str, text: str) -> QuerySet[models.Dataset]:
        return search.with_words(rows, text)

    def shown(self, rows: QuerySet[models.Dataset], name: str, show: str) -> QuerySet[models.Dataset]:
        return search.narrowed(rows, self.request.user, show)


def _one(call: Call, pk: UUID) -> models.Dataset:
    """Return a dataset with what the caller has to do with it, or raise Http404."""
    return one(call, search.datasets(call.user), dataset="pk", pk=pk)


class Datasets(Endpoint):
    """The datasets that you may see."""

    @lists(DatasetItem, filters=DatasetFilters)
    def get(self, call: Call) -> QuerySet[models.Dataset]:
        """List the datasets that you may see."""
        return within(call, search.datasets(call.user), "pk")

    @creates(DatasetDetail, body=NewDataset, scope="publish", again=_one, at="api:dataset")
    def post(self, call: Call, fields: dict[str, Any]) -> models.Dataset:
        """Create a dataset with a first draft revision. Nobody else sees it before it is published."""
        require_every_dataset(call)
        return _one(call, services.create(by=call.user, **fields).pk)


class Dataset(Endpoint):
    """One dataset."""

    @reads(DatasetDetail)
    def get(self, call: Call, pk: UUID) -> models.Dataset:
        """Read a dataset: its description, its policy, and what you have to do with it."""
        return _one(call, pk)

    @changes(body=DatasetChange, scope="publish", confirms=RULES)
    def patch(self, call: Call, fields: dict[str, Any], pk: UUID) -> None:
        """Change the description or the policy of your dataset. A new policy applies from now on."""
        policy = fields.pop("policy", None)
        dataset = visible(call, pk)
        if fields or not policy:
            services.update(dataset, by=call.user, **fields)
        if policy:
            services.set_policy(dataset, by=call.user, **policy)


class DeclaredColumnItem(Item):
    """The public declarations of a column."""

    name = serializers.CharField()
    type = serializers.ChoiceField(models.Column.Type.choices)
    stored = serializers.ChoiceField(models.Column.Stored.choices)
    description = serializers.CharField()
    unit = serializers.CharField()
    is_person = serializers.BooleanField(
        source="is_subject", help_text="It identifies the person a row is about."
    )
    nullable = serializers.BooleanField(help_text="Cells may be empty.")
    lower = serializers.FloatField(allow_null=True, help_text="Of dates: days since 1970; of times: seconds.")
    upper = serializers.FloatField(allow_null=True, help_text="Of dates: days since 1970; of times: seconds.")
    categories = serializers.SerializerMethodField(help_text="Texts, or whole numbers.")
    rows_per_value = serializers.IntegerField(
        allow_null=True, help_text="A person's rows with one value, at most."
    )
    decimals = serializers.IntegerField(allow_null=True, help_text="The most decimals of its numbers.")
    constant = serializers.BooleanField(
        help_text="It is the same in all of a person's rows. Mock data keeps to it; answers keep to the promise."
    )

    def get_categories(self, column: Any) -> list[str | int]:
        return list(column.categories)


class DeclaredTableItem(Item):
    """The public declarations of a table."""

    name = serializers.CharField()
    description = serializers.CharField()
    mock_rows = serializers.IntegerField(help_text="Rows of its mock data.")
    rows_per_person = serializers.IntegerField(
        source="rows_per_subject", help_text="A person's rows, at most."
    )
    about_people = serializers.BooleanField()
    columns = DeclaredColumnItem(many=True)


class SampledMockItem(Item):
    """Mock data that is drawn from a private synthetic table, and not from the declarations."""

    table = serializers.CharField(source="table.name")
    answer = Reference(help_text="The synthetic table.")
    epsilon = serializers.FloatField(help_text="What it cost, as an ε at `delta`.")
    delta = serializers.FloatField()
    columns = serializers.ListField(
        child=serializers.CharField(), help_text="Those drawn from it; the others are made up as before."
    )
    created_at = serializers.DateTimeField()


class DatasetSchemaItem(Item):
    """The public declarations of a published revision."""

    revision = NumberedReference(source="*")
    sha256 = serializers.CharField(help_text="A keyed hash of content and declarations.")
    note = serializers.CharField(help_text="What is new in it.")
    published_at = serializers.DateTimeField()
    tables = DeclaredTableItem(many=True, source="tables_declared")
    sampled_mocks = serializers.SerializerMethodField(
        help_text="Tables whose mock data is drawn from a private synthetic table."
    )

    @extend_schema_field(SampledMockItem(many=True))
    def get_sampled_mocks(self, revision: models.Revision) -> Any:
        found = queries.sampled_mocks(revision)
        return SampledMockItem([found[name] for name in sorted(found)], many=True).data


class DatasetSchema(Endpoint):
    """What is public about a dataset's tables."""

    @reads(DatasetSchemaItem)
    def get(self, call: Call, pk: UUID) -> models.Revision:
        """Read the tables and columns of the published revision, with their declared bounds."""
        return queries.current_revision(visible(call, pk))


class MockParquet(Endpoint):
    """The mock data of a table, as Parquet."""

    @method_decorator(computing)
    @sends(mocks.FORMS["parquet"])
    def get(self, call: Call, pk: UUID, table: str) -> HttpResponse:
        """Download the mock data of a published table as Parquet. The schema (`sampled_mocks`) says its origin."""
        return _mock(visible(call, pk), table, "parquet")


class MockCsv(Endpoint):
    """The mock data of a table, as CSV."""

    @method_decorator(computing)
    @sends("text/csv")
    def get(self, call: Call, pk: UUID, table: str) -> HttpResponse:
        """Download the mock data of a published table as CSV. The schema (`sampled_mocks`) says its origin."""
        return _mock(visible(call, pk), table, "csv")


def _mock(dataset: models.Dataset, table: str, form: str) -> HttpResponse:
    content = mocks.content(dataset, table, form)
    if content is None:
        raise Http404
    file_name = f"{dataset.name}-{table}-mock.{form}"
    return HttpResponse(
        content,
        content_type=mocks.FORMS[form],
        headers={"Content-Disposition": f'attachment; filename="{file_name}"'},
    )
