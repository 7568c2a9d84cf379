"""The tiles of the signed log in the database, for the functions of crypto.tree."""

from collections.abc import Iterable, Mapping

from django.db.models import Q

from audit.models import Tile
from crypto import tree


class Tiles:
    """Reads tiles, each at most once. Call it with a level and a number."""

    def __init__(self) -> None:
        self._known: dict[tree.Place, bytes] = {}

    def __call__(self, level: int, number: int) -> bytes:
        if (level, number) not in self._known:
            self.fetch({(level, number)})
        return self._known[level, number]

    def fetch(self, places: Iterable[tree.Place]) -> None:
        """Read these tiles by one query."""
        wanted: dict[int, list[int]] = {}
        for level, number in places:
            wanted.setdefault(level, []).append(number)
            self._known.setdefault((level, number), b"")
        where = Q(pk__in=[])
        for level, numbers in wanted.items():
            where |= Q(level=level, number__in=numbers)
        for level, number, data in Tile.objects.filter(where).values_list("level", "number", "data"):
            self._known[level, number] = bytes(data)

    def fetch_around(self, indexes: Iterable[int], sizes: Iterable[int]) -> None:
        """Read by one query what proofs about these leaves need in trees of these sizes: the tiles above the leaves,
        and the last tile of each level."""
        last = max(sizes, default=0)
        leaves = {*indexes, *(size - 1 for size in sizes if size)}
        levels = range(max(1, -(-last.bit_length() // tree.BITS)))
        self.fetch({(level, leaf >> tree.BITS * (level + 1)) for level in levels for leaf in leaves})

    def store(self, changed: Mapping[tree.Place, bytes]) -> None:
        """Write tiles."""
        self._known |= changed
        Tile.objects.bulk_create(
            [Tile(level=level, number=number, data=data) for (level, number), data in changed.items()],
            update_conflicts=True,
            unique_fields=["level", "number"],
            update_fields=["data"],
            batch_size=200,
        )
