"""Compare two versions of code line by line, highlighted. Characters that could deceive a reader are spelled out."""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby, pairwise

from requests_app.code.highlight import Line, html, lines
from runner.plain_text import replaced

Block = tuple[int, int, int, int]
"""Lines [a, b) of the old code and [c, d) of the new code that are compared with each other."""

MAX_LEVELS = 8
SMALL_BLOCK = 40_000
"""Blocks of at most this many pairs of lines are compared pair by pair."""
PAIRED_BLOCK = 400
LINE_COMPARED = 400
"""Changed blocks of at most so many pairs of lines have their most similar lines paired, by their first characters."""
CONTEXT = 3
FOLD_AT_LEAST = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `kind` is same, added, removed, changed, or fold (`folded` unchanged lines that are not shown)."""

    kind: str
    old_number: int | None = None
    new_number: int | None = None
    old_html: str = ""
    new_html: str = ""
    folded: int = 0


def rows(old: str | None, new: str) -> list[Row]:
    """Return every line of both versions side by side; without an old one, every line of the new one."""
    after = lines(new)
    if old is None:
        return [Row("same", None, number, "", html(line)) for number, line in enumerate(after, start=1)]
    before = lines(old)
    found: list[Row] = []
    at_old = at_new = 0
    for a, c, length in [*_matches(_texts(before), _texts(after)), (len(before), len(after), 0)]:
        found += _changed(before, after, (at_old, a, at_new, c))
        found += [
            Row("same", a + i + 1, c + i + 1, html(before[a + i]), html(after[c + i])) for i in range(length)
        ]
        at_old, at_new = a + length, c + length
    return found


def moved(old: str, new: str) -> dict[int, int]:
    """Map each old line number to its new one; removed and changed lines are missing."""
    stretches = _matches(old.split("\n"), new.split("\n"))
    return {a + i + 1: c + i + 1 for a, c, length in stretches for i in range(length)}


def unified(found: Sequence[Row]) -> list[Row]:
    """Return the rows for a single column: in each changed block the removed lines first, then the added ones."""
    result: list[Row] = []
    came: list[Row] = []
    for row in found:
        if row.kind == "changed":
            result.append(replace(row, kind="removed", new_number=None, new_html=""))
            came.append(replace(row, kind="added", old_number=None, old_html=""))
        elif row.kind == "added":
            came.append(row)
        else:
            if row.kind != "removed":
                result += came
                came = []
            result.append(row)
    return result + came


def folded(found: Sequence[Row], context: int = CONTEXT, keep: Collection[int] = ()) -> list[Row]:
    """Return the rows with long unchanged blocks folded, except `context` lines around changes and lines in `keep`."""
    changes = [at for at, row in enumerate(found) if row.kind != "same" or row.new_number in keep]
    near = {at + step for at in changes for step in range(-context, context + 1)}
    result: list[Row] = []
    at = 0
    while at < len(found):
        end = at
        while end < len(found) and end not in near:
            end += 1
        if end - at >= FOLD_AT_LEAST:
            first = found[at]
            result.append(Row("fold", first.old_number, first.new_number, folded=end - at))
        else:
            result += found[at:end]
        result += found[end : end + 1]
        at = end + 1
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The differences as text: how many lines were added and removed, and the hunks of a unified diff."""

    added: int
    removed: int
    text: str


def patch(old: str, new: str) -> Patch:
    """Return the differences as a unified diff without file names. Deceptive characters are spelled out."""
    found = unified(folded(rows(old, new)))
    before, after = _texts(lines(old)), _texts(lines(new))
    hunks = [list(hunk) for is_fold, hunk in groupby(found, lambda row: row.kind == "fold") if not is_fold]
    text = [
        line
        for hunk in hunks
        if any(row.kind != "same" for row in hunk)
        for line in _hunk(hunk, before, after)
    ]
    added, removed = (sum(row.kind == kind for row in found) for kind in ("added", "removed"))
    return Patch(added=added, removed=removed, text=replaced("".join(f"{line}\n" for line in text), _spelled))


def _hunk(hunk: Sequence[Row], before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    old = [row.old_number for row in hunk if row.old_number]
    new = [row.new_number for row in hunk if row.new_number]
    yield f"@@ -{min(old, default=0)},{len(old)} +{min(new, default=0)},{len(new)} @@"
    for row in hunk:
        if row.new_number is None:
            yield f"-{before[(row.old_number or 0) - 1]}"
        else:
            yield f"{' ' if row.kind == 'same' else '+'}{after[row.new_number - 1]}"


def _spelled(character: str) -> str:
    return f"\u27e8U+{ord(character):04X}\u27e9"


def highlight(code: str) -> list[str]:
    """Return the lines of the code as HTML."""
    return [html(line) for line in lines(code)]


def _texts(code: Sequence[Line]) -> list[str]:
    return ["".join([text for _, text in line]) for line in code]


def _changed(before: Sequence[Line], after: Sequence[Line], block: Block) -> Iterator[Row]:
    """Yield the rows of two blocks compared with each other. Lines that are alike are paired; between these, lines are
    paired in their order, and the rest of the longer side stands alone."""
    a, b, c, d = block
    old, new = _texts(before[a:b]), _texts(after[c:d])
    at_old = at_new = 0
    for i, j in [*_alike(old, new), (len(old), len(new))]:
        pairs = min(i - at_old, j - at_new)
        for step in range(pairs):
            yield _pair(before, after, a + at_old + step, c + at_new + step)
        for at in range(at_old + pairs, i):
            yield Row("removed", a + at + 1, None, html(before[a + at]), "")
        for at in range(at_new + pairs, j):
            yield Row("added", None, c + at + 1, "", html(after[c + at]))
        if i < len(old) and j < len(new):
            yield _pair(before, after, a + i, c + j)
        at_old, at_new = i + 1, j + 1


def _pair(before: Sequence[Line], after: Sequence[Line], i: int, j: int) -> Row:
    old, new = before[i], after[j]
    marks = _marks("".join(text for _, text in old), "".join(text for _, text in new))
    return Row("changed", i + 1, j + 1, html(old, marks[0]), html(new, marks[1]))


def _alike(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of lines, in order on both sides, that have most in common. Large blocks have none."""
    if len(old) * len(new) > PAIRED_BLOCK:
        return []
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    like = [[_likeness(one[:LINE_COMPARED], other[:LINE_COMPARED]) for other in new] for one in old]
    for i in range(len(old) - 1, -1, -1):
        for j in range(len(new) - 1, -1, -1):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], like[i][j] + best[i + 1][j + 1])
    found, i, j = [], 0, 0
    while i < len(old) and j < len(new):
        if like[i][j] and best[i][j] == like[i][j] + best[i + 1][j + 1]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _likeness(old: str, new: str) -> float:
    """Return the share of the longer line that both begin and end with, from 0 to 1; 0 for lines not marked in part."""
    marked, _ = _marks(old, new)
    if marked is None:
        return 0.0
    return (len(old) - (marked[1] - marked[0])) / max(len(old), len(new), 1)


def _marks(old: str, new: str) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Return the range in which two lines differ, if they share more than their indentation."""
    shorter = min(len(old), len(new))
    start = next((i for i in range(shorter) if old[i] != new[i]), shorter)
    end = next((i for i in range(shorter - start) if old[-1 - i] != new[-1 - i]), shorter - start)
    common = len(old[:start].strip()) + end
    if common * 3 < shorter:
        return None, None
    return (start, len(old) - end), (start, len(new) - end)


def _matches(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return the blocks that both have, in order: (start in old, start in new, length). The work is bounded."""
    equal: list[tuple[int, int]] = []
    todo: list[tuple[Block, int]] = [((0, len(old), 0, len(new)), 0)]
    while todo:
        (a, b, c, d), level = todo.pop()
        while a < b and c < d and old[a] == new[c]:
            equal.append((a, c))
            a, c = a + 1, c + 1
        while a < b and c < d and old[b - 1] == new[d - 1]:
            b, d = b - 1, d - 1
            equal.append((b, d))
        if a == b or c == d:
            continue
        anchors = _anchors(old, new, (a, b, c, d)) if level < MAX_LEVELS else []
        if anchors:
            edges = [(a - 1, c - 1), *anchors, (b, d)]
            equal += anchors
            todo += [
                ((i + 1, j, k + 1, m), level + 1)
                for (i, k), (j, m) in pairwise(edges)
                if j > i + 1 and m > k + 1
            ]
        elif (b - a) * (d - c) <= SMALL_BLOCK:
            found = SequenceMatcher(None, old[a:b], new[c:d], autojunk=False).get_matching_blocks()
            equal += [(a + i + n, c + j + n) for i, j, length in found for n in range(length)]
    return _stretches(sorted(equal))


def _anchors(old: Sequence[str], new: Sequence[str], block: Block) -> list[tuple[int, int]]:
    """Return lines that occur exactly once on each side, in the longest common order (patience sorting)."""
    a, b, c, d = block
    places = _once(new, c, d)
    pairs = [(i, places[text]) for text, i in _once(old, a, b).items() if text in places]
    tops: list[int] = []
    ends: list[int] = []
    before: list[int | None] = []
    for at, (_, j) in enumerate(pairs):
        pile = bisect_left(tops, j)
        before.append(ends[pile - 1] if pile else None)
        if pile == len(tops):
            tops.append(j)
            ends.append(at)
        else:
            tops[pile], ends[pile] = j, at
    chain: list[tuple[int, int]] = []
    link: int | None = ends[-1] if ends else None
    while link is not None:
        chain.append(pairs[link])
        link = before[link]
    return chain[::-1]


def _once(lines: Sequence[str], start: int, end: int) -> dict[str, int]:
    """Return the position of each line that occurs once in the range."""
    places: dict[str, int] = {}
    twice: set[str] = set()
    for at in range(start, end):
        if lines[at] in places:
            twice.add(lines[at])
        places[lines[at]] = at
    return {text: at for text, at in places.items() if text not in twice}


def _stretches(equal: Sequence[tuple[int, int]]) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    for i, j in equal:
        if found and (i, j) == (found[-1][0] + found[-1][2], found[-1][1] + found[-1][2]):
            found[-1] = (*found[-1][:2], found[-1][2] + 1)
        else:
            found.append((i, j, 1))
    return found
