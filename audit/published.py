"""What everybody may have of the signed log: the public checkpoints, and the hashes of the leaves under them.

Addresses of tiles are those of C2SP tlog-tiles. The entries themselves are not published.
"""

import re

from audit.models import Checkpoint
from audit.tiles import Tiles
from crypto import tree

PLACE = re.compile(r"((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
"""The number of a tile in groups of three digits, all but the last with an x before; the width of a partial one."""
LEVELS = 7
"""Of a tree with as many leaves as crypto.tree takes."""


def size() -> int:
    """Return how many leaves are under the newest public checkpoint."""
    newest = Checkpoint.objects.filter(public=True).newest()
    return newest.size if newest else 0


def tile(level: int, place: str) -> bytes | None:
    """Return the hashes of a tile, or as many as `place` wants. None if that is not published."""
    found = PLACE.fullmatch(place)
    if found is None or level > LEVELS:
        return None
    number, width = int(re.sub("[x/]", "", found[1])), int(found[2] or tree.WIDTH)
    hashes = (size() >> tree.BITS * level) - number * tree.WIDTH
    if found[1] != place_of(number) or not 0 < width <= min(hashes, tree.WIDTH - bool(found[2])):
        return None
    return Tiles()(level, number)[: width * tree.HASH]


def place_of(number: int) -> str:
    """Return the number of a tile as it is written in addresses."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups)


def consistency(old: int, new: int) -> list[bytes] | None:
    """Return the proof that the log with `new` leaves begins with that of `old` ones. None if that is not published."""
    if not 0 < old <= new <= size():
        return None
    tiles = Tiles()
    tiles.fetch_around([old - 1, old], [new])
    return tree.consistency(tiles, old, new)
