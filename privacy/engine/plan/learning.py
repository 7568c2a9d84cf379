"""What is chosen for a model from public numbers."""

from privacy.engine.language.query import Query
from privacy.engine.language.schema import TableSpec


def explicit(query: Query, table: TableSpec, *, public_size: int, mu: float) -> Query:
    """Return a question with everything that is chosen for it."""
    return query
