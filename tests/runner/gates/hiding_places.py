"""All hiding places: name, type of the file, what must happen to the message, and how the file is built."""

from tests.runner.gates.hiding import Place
from tests.runner.gates.hiding_in_binary import PARQUET, PNG
from tests.runner.gates.hiding_in_text import CSV, JSON, TEXT, in_text

PLACES: list[Place] = [
    *((name, "parquet", fate, make) for name, fate, make in PARQUET),
    *((name, "png", fate, make) for name, fate, make in PNG),
    *((name, "csv", fate, make) for name, fate, make in CSV),
    *((name, "json", fate, make) for name, fate, make in JSON),
    *((name, kind, fate, make) for kind in ("txt", "md") for name, fate, make in TEXT),
    *in_text("csv", "a,b\n*,2\n"),
    *in_text("json", '{"a":"*"}'),
    *in_text("txt", "x * y\n"),
    *in_text("md", "# x * y\n"),
    *((f"name, {name}", kind, fate, make) for name, kind, fate, make in in_text("csv", "a,*\n1,2\n")),
    *((f"key, {name}", kind, fate, make) for name, kind, fate, make in in_text("json", '{"*":1}')),
]
