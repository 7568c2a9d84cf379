"""Datasets of other portals, with the client, against a server that answers as the API does."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import weir
from tests.client.portal_double import Reply, problem
from tests.client.site import Site, paths, portal, server, site
from tests.makers import catalogues

__all__ = ["portal", "server", "site"]
ID = "0a1b2c3d-0000-4000-8000-000000000001"
LISTED = {
    "id": ID,
    "dataset": {"id": ID},
    "portal": {"id": ID, "name": "Institute of the North", "url": "https://north.example"},
    "name": "wages_north",
    "title": "Wages in the north",
    "summary": "A panel.",
    "tags": ["labour"],
    "institution": "Institute",
    "read_at": "2026-12-01T12:00:00Z",
}
COLUMNS = [{**each, "lower": 0, "upper": 9} for each in (catalogues.PERSON, catalogues.COLUMN)]
TABLE = {"name": "wages", "description": "", "rows_per_person": 4, "about_people": True, "columns": COLUMNS}
DETAIL = {**LISTED, "description": "", "revision": 3, "terms": {"number": 2, "text": "Be kind."}}
ROWS = pa.table({"person": [1, 2], "wage": [1.0, 2.0]})


@pytest.fixture
def tables():
    return [TABLE]


@pytest.fixture
def network(server, portal, tables):
    with io.BytesIO() as file:
        pq.write_table(ROWS, file)
        content = file.getvalue()
    replies = {
        "network/datasets/": Reply(body={"items": [LISTED, LISTED], "next": None}),
        f"network/datasets/{ID}/": Reply(body={**DETAIL, "tables": tables}),
        f"network/datasets/{ID}/mock/wages.parquet": Reply(body=content),
    }
    usual = Site()

    def answered(asked):
        return replies.get(asked.path.removeprefix("/api/v1/").partition("?")[0]) or usual(asked)

    server.routed = answered
    return portal.network


def test_what_is_found_says_where_it_is(network, server):
    found = network.find("wages")
    assert [(each.name, each.title, each.portal) for each in found] == [
        ("wages_north", "Wages in the north", "Institute of the North")
    ] * 2
    assert repr(found[0]) == "RemoteDataset: wages_north, Wages in the north, on Institute of the North"
    assert "Institute of the North" in found[0]._repr_html_()
    assert paths(server) == ["GET network/datasets/?text=wages"]
    assert len(network.find(most=1)) == 1
    assert paths(server)[-1] == "GET network/datasets/"
    assert ".find(text)" in repr(network)


def test_its_schema_and_terms_are_read_when_they_are_needed(network, server):
    (found, _) = network.find()
    assert list(found.schema) == ["wages"]
    wage = found.schema["wages"].columns["wage"]
    assert (wage.kind.value, wage.lower, wage.upper, wage.unit) == ("number", 0, 9, "EUR")
    assert found.schema["wages"].subject == "person"
    assert found.terms == {"number": 2, "text": "Be kind."}
    assert paths(server)[1:] == [f"GET network/datasets/{ID}/"]
    assert network.dataset(ID).details["revision"] == 3
    with pytest.raises(weir.NotFound, match="is not an id"):
        network.dataset("wages")


def test_mock_rows_are_a_table_or_a_file(network, tmp_path):
    found = network.dataset(ID)
    assert found.mock().equals(ROWS)
    assert found.mock("wages").equals(ROWS)
    assert pq.read_table(found.mock(to=tmp_path / "mock.parquet")).equals(ROWS)
    with pytest.raises(weir.NotOffered, match="Did you mean “wages”"):
        found.mock("wage")


@pytest.mark.parametrize("tables", [[TABLE, {**TABLE, "name": "people"}]])
def test_of_several_tables_one_is_named(network, tables):
    with pytest.raises(weir.NotOffered, match=r"Name a table. The tables are wages, people"):
        network.dataset(ID).mock()
    assert network.dataset(ID).mock("wages").equals(ROWS)


def test_what_the_portal_refuses_is_told(network, server):
    server.routed = lambda asked: problem(
        400, "refused", "North has no mock data of wages for this portal now."
    )
    with pytest.raises(weir.Refused, match="has no mock data"):
        weir.network.RemoteDataset(network._transport, {**DETAIL, "tables": [TABLE]}).mock()
