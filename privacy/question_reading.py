"""Reading a question from the form that a page sends: its fields or its SQL become a query, and both sides show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from privacy.engine.language import sql, sql_text
from privacy.engine.language.display import EVERYTHING, Display
from privacy.engine.language.query import Query
from privacy.engine.language.schema import QueryRefused, TableSpec
from privacy.engine.language.sql import Statement
from privacy.engine.plan.designs import design
from privacy.presentation import suggestions
from privacy.presentation.query_form import Line, fields_of, query_of
from privacy.question_forms import FORM, LISTS, NEEDS, SQL, QuestionForm, lines_of

Tables = Mapping[str, TableSpec]


@dataclass(slots=True, kw_only=True)
class Reading:
    """A question as far as it can be parsed."""

    form: QuestionForm
    table: TableSpec
    lines: list[Line] = field(default_factory=list)
    query: Query | None = None
    display: Display = EVERYTHING
    """What is shown of the answer, as the SQL says."""
    refusal: str = ""
    changed: bool = False
    """Whether a proposal was applied, so that neither side shows the question yet."""

    @property
    def source(self) -> str:
        return SQL if self.form.data.get("source") == SQL else FORM

    def text_of(self, query: Query) -> str:
        """Return the SQL that was typed, or else this query in SQL; empty where it cannot be written so."""
        if self.source == SQL:
            return str(self.form.cleaned_data.get("sql") or "")
        return sql_text.write(query, self.table)

    @property
    def is_only_in_sql(self) -> bool:
        """Whether the form has no fields for the question."""
        return self.source == SQL and self.query is not None and self.fields_that_hold(self.query) is None

    @property
    def is_only_in_form(self) -> bool:
        """Whether SQL cannot express the question."""
        return self.source == FORM and self.query is not None and not self.form.data.get("sql")

    def parse(self, data: Mapping[str, Any], tables: Tables) -> bool:
        """Read the question; return whether that succeeded. Otherwise `refusal` says why not."""
        self.lines = lines_of(data)
        if not self.form.is_valid():
            name, errors = next(iter(self.form.errors.items()))
            self.refusal = f"{self.form.fields[name].label or name}: {errors[0]}"
            return False
        try:
            said = self._said(tables)
            self.query, self.display = said.query, said.display
            self.table = tables[self.query.table]
            if proposal := data.get("apply"):
                self.query = suggestions.applied(str(proposal), self.query, self.table)
                self.changed = True
        except QueryRefused as refused:
            self.refusal = str(refused)
        return not self.refusal

    def _said(self, tables: Tables) -> Statement:
        if self.source == SQL:
            text = str(self.form.cleaned_data.get("sql") or "")
            if not text.strip():
                raise QueryRefused("Write a SELECT statement, or use the form.")
            return sql.read(text, tables, check=design)
        return Statement(query_of(self.form.cleaned_data, self.lines, self.table))

    def bring_in_step(self, data: Mapping[str, Any], prices: Mapping[str, str]) -> None:
        """Make both sides show the same question, and all ways to fix the price the same price."""
        if self.query is None:
            return
        values = {**_plain(data), **prices}
        found = self.fields_that_hold(self.query)
        if self.source == FORM or self.changed:
            values["sql"] = sql_text.write(self.query, self.table, self.display)
        if self.changed and not (found if self.source == FORM else values["sql"]):
            values["source"] = SQL if self.source == FORM else FORM
        if found and (self.source == SQL or self.changed):
            fields, self.lines = found
            values |= {**dict.fromkeys(NEEDS), **fields}
        self.form = self._made(values)
        self.form.full_clean()

    def fields_that_hold(self, query: Query) -> tuple[dict[str, Any], list[Line]] | None:
        """Return the form's fields for a query, or None if the form would refuse one of them: then only SQL can
        express it."""
        found = fields_of(query, self.table)
        if found is None:
            return None
        fields = {name: value for name, value in found[0].items() if value is not None}
        return found if self._made({**fields, "source": FORM}).is_valid() else None

    def _made(self, values: Mapping[str, Any]) -> QuestionForm:
        return type(self.form)(values, table=self.table, undeclared=self.form.undeclared)


def table_of(data: Mapping[str, Any], tables: Tables) -> TableSpec:
    """Return the table that the form names, or the first one."""
    named = str(data.get("table", ""))
    return tables[named] if named in tables else next(iter(tables.values()))


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form's own values from a POST, lists as lists."""
    lists = getattr(data, "getlist", None)
    several = {name: lists(name) if lists else data.get(name, []) for name in LISTS}
    return {**{name: data.get(name) for name in QuestionForm.base_fields}, **several}
