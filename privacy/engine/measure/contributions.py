"""Contributions of subjects: exact integers, clipped per subject, and charged for exactly what is added.

Fixed point: a contribution vector whose L2 norm is the clip is 2**30 units long. Each row is rounded to units on its
own, a subject's rows are summed in int64 (at most 4096 rows of at most 2**30 units: below 2**43), the subject's whole
vector is clipped to an L2 norm of 2**30 toward zero, and only integers are summed over subjects. Adding or removing one
subject therefore changes the total by a vector of norm at most 2**30, exactly (against the rounding attacks of
Casacuberta et al., Widespread underestimation of sensitivity, CCS 2022). The charge of a subject is computed from the
very vector that is added, rounded up.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numba as nb
import numpy as np
import numpy.typing as npt

from privacy.engine.language.schema import MAX_ROWS_PER_SUBJECT
from privacy.engine.measure.evaluate import Floats

ONE = 2**30
"""Units of a contribution as long as the clip."""
CAP = 2**32 - 1
"""Units of a whole budget: the most that one subject may be charged, and that a cell's worst case may reach."""

Integers = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]

# Scaling by a float may round. Shrinking the target by this factor keeps the integer norm below ONE in any case.
SHRINK = 1 - 2.0**-40

SUM, ANY, MEAN = 0, 1, 2
"""How a subject's rows become its vector in each cell: their sum, the first row alone, or their mean."""


@dataclass(frozen=True, slots=True)
class Contributions:
    """`total`: shape (cells, width), the clipped vectors summed over subjects; `squares`: shape (subjects,), each
    subject's squared norm in units, at most ONE**2."""

    total: Integers
    squares: Integers


def to_units(values: Floats, clip: float) -> Integers:
    """Return rint(value / clip * ONE) for each row, saturating at +-ONE. NaN and infinities count as 0."""
    scaled = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0) * (ONE / clip)
    return np.rint(np.clip(scaled, -float(ONE), float(ONE))).astype(np.int64)


def contribute(
    offsets: Integers,
    cells: Codes,
    units: Integers,
    *,
    size: int,
    mode: int,
    active: npt.NDArray[np.bool_] | None = None,
) -> Contributions:
    """Sum rows per subject, clip, and sum over subjects.

    `offsets` (subjects + 1,): rows of subject i are offsets[i]:offsets[i+1]. `cells` (rows,): the output cell of each
    row, -1 for a row that the filter leaves out. `units` (rows, width). `size`: number of cells. Subjects whose
    `active` is false add nothing; their squares are still returned.
    """
    flags = np.ones(len(offsets) - 1, dtype=np.bool_) if active is None else active
    total = np.zeros((size, units.shape[1]), dtype=np.int64)
    squares = np.zeros(len(offsets) - 1, dtype=np.int64)
    _contribute(offsets, cells, units, mode, flags, total, squares)
    return Contributions(total, squares)


def worst_case_units(sigma: int, mu_squared: Fraction) -> int:
    """Return the charge of a contribution as long as the clip at noise `sigma`: ceil(CAP ONE^2 / (sigma^2 mu^2))."""
    return worst_case_of(Fraction(sigma) ** 2, mu_squared)


def worst_case_of(variance: Fraction, mu_squared: Fraction) -> int:
    """Return the same charge at noise of this variance, in units^2."""
    return math.ceil(Fraction(CAP) * ONE * ONE / (variance * mu_squared))


def rescaled(units: Iterable[int], old_mu: float, new_mu: float) -> list[int]:
    """Convert units of a budget of old_mu^2 into units of a budget of new_mu^2: exact, rounded up, not capped."""
    ratio = Fraction(old_mu) ** 2 / Fraction(new_mu) ** 2
    return [-(-int(n) * ratio.numerator // ratio.denominator) for n in units]


def charges(squares: Integers, worst_case: int) -> Integers:
    """Return each subject's charge: at least squares * worst_case / ONE**2, by less than two units. Shape as squares.

    `worst_case` is at most CAP, so that every product fits 63 bits.
    """
    price = price_of(worst_case)
    charged = np.empty_like(squares)
    charge_all(squares, price, charged)
    return charged


def price_of(worst_case: int, releases: int = 1) -> tuple[int, int]:
    """Return the price that the compiled passes take: (charge of a contribution as long as the clip, releases).

    Raises ValueError if the product exceeds CAP.
    """
    if not 0 <= worst_case * releases <= CAP or releases < 1:
        raise ValueError(f"The worst case must be between 0 and {CAP}, not {worst_case} x {releases}.")
    return worst_case, releases


FREE = (-1, 1)
"""The price at which the compiled passes return squared norms instead of charges."""


@nb.njit(cache=True, nogil=True)
def priced(square, price):  # type: ignore[no-untyped-def]
    """Return the charge for a squared norm, at most worst case times releases; at the price FREE, the norm itself."""
    worst_case, releases = price
    if worst_case < 0:
        return square
    high, low = square >> 30, square & (ONE - 1)
    carried = (low * worst_case + ONE - 1) >> 30
    return ((high * worst_case + carried + ONE - 1) >> 30) * releases


@nb.njit(cache=True, nogil=True)
def charge_all(squares, price, charged):  # type: ignore[no-untyped-def]
    """Write the charge for each squared norm into `charged` (subjects,), of any integer type."""
    for k in range(squares.shape[0]):
        charged[k] = priced(squares[k], price)


# The kernels below run compiled, in one pass over the table whatever it holds. `scratch` (cells, width), `seen`
# (cells,) and `touched` (cells,) are work space; `scratch` and `seen` are zero between subjects.


@nb.njit(cache=True, nogil=True)
def _contribute(offsets, cells, units, mode, active, total, squares):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    scratch = np.zeros_like(total)
    touched = np.empty(total.shape[0], dtype=np.int64)
    seen = np.zeros(total.shape[0], dtype=np.int64)
    for subject in range(offsets.shape[0] - 1):
        begin = offsets[subject]
        end = min(offsets[subject + 1], begin + MAX_ROWS_PER_SUBJECT)
        count = _gather(begin, end, cells, units, mode, scratch, seen, touched)
        if mode == MEAN:
            _average(touched[:count], scratch, seen)
        clip_cells(touched[:count], scratch)
        squares[subject] = _add(touched[:count], scratch, seen, active[subject], total)


@nb.njit(cache=True, nogil=True)
def _gather(begin, end, cells, units, mode, scratch, seen, touched):  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    """Sum one subject's rows into `scratch`. Returns how many cells were touched."""
    count = 0
    for row in range(begin, end):
        cell = cells[row]
        if cell < 0:
            continue
        if seen[cell] == 0:
            touched[count] = cell
            count += 1
        seen[cell] += 1
        if mode != ANY or seen[cell] == 1:
            for j in range(units.shape[1]):
                scratch[cell, j] += units[row, j]
    return count


@nb.njit(cache=True, nogil=True)
def _average(touched, scratch, seen):  # type: ignore[no-untyped-def]
    """Divide toward zero: a mean is never larger than the largest of its rows."""
    for cell in touched:
        for j in range(scratch.shape[1]):
            size = abs(scratch[cell, j]) // seen[cell]
            scratch[cell, j] = size if scratch[cell, j] >= 0 else -size


@nb.njit(cache=True, nogil=True)
def clip_cells(touched, scratch):  # type: ignore[no-untyped-def]
    """Scale one subject's vector down to the clip, toward zero, if it is longer."""
    norm = 0.0
    for cell in touched:
        for j in range(scratch.shape[1]):
            norm += float(scratch[cell, j]) * float(scratch[cell, j])
    norm = np.sqrt(norm)
    if norm <= ONE * SHRINK:
        return
    factor = ONE * SHRINK / norm
    for cell in touched:
        for j in range(scratch.shape[1]):
            scratch[cell, j] = np.int64(np.trunc(scratch[cell, j] * factor))


@nb.njit(cache=True, nogil=True)
def _add(touched, scratch, seen, active, total):  # type: ignore[no-untyped-def]
    """Add one subject's vector to the total if it is active, and clear the work space. Returns its squared norm."""
    square = 0
    for cell in touched:
        for j in range(scratch.shape[1]):
            square += scratch[cell, j] * scratch[cell, j]
            if active:
                total[cell, j] += scratch[cell, j]
            scratch[cell, j] = 0
        seen[cell] = 0
    return square
