"""What docs/privacy.md says beside Laplace noise: each number is the mathematics, rounded as it is shown."""

from pathlib import Path

import mpmath
import pytest

SECTION = (
    (Path(__file__).parents[3] / "docs" / "privacy.md").read_text().partition("## Beside Laplace noise")[2]
)
DELTA = mpmath.mpf("1e-6")
ROWS = [
    line.strip("| ").replace(", ", " | ").split(" | ")
    for line in SECTION.partition("\n## ")[0].splitlines()
    if line.startswith("| ") and line[2].isdigit()
]
"""The numbers of each row as text: the first is epsilon; the last cell holds two."""


def mu_of(epsilon):
    """The mu for which delta = Phi(-epsilon/mu + mu/2) - e^epsilon Phi(-epsilon/mu - mu/2), by bisection."""
    low, high = mpmath.mpf("0.01"), mpmath.mpf(3)
    for _ in range(120):
        mu = (low + high) / 2
        near, far = mpmath.ncdf(-epsilon / mu + mu / 2), mpmath.ncdf(-epsilon / mu - mu / 2)
        low, high = (low, mu) if near - mpmath.exp(epsilon) * far > DELTA else (mu, high)
    return low


def laplace_right(epsilon):
    """How often the best guess is right after one Laplace answer: half plus a quarter of the L1 distance of the two
    densities, integrated."""

    def difference(x):
        return abs(mpmath.exp(-epsilon * abs(x)) - mpmath.exp(-epsilon * abs(x - 1))) * epsilon / 2

    return (1 + mpmath.quad(difference, [-mpmath.inf, 0, 0.5, 1, mpmath.inf]) / 2) / 2


def truth(epsilon):
    """What a row should hold, in its order."""
    mu, root = mu_of(epsilon), mpmath.sqrt(2)
    right = mpmath.ncdf(mu / 2)
    alike = -2 * mpmath.log(2 * (1 - right))
    assert abs(laplace_right(alike) - right) < mpmath.mpf(10) ** -10
    return [
        epsilon,
        100 * right,
        100 * laplace_right(epsilon),
        100 * mpmath.exp(epsilon) / (1 + mpmath.exp(epsilon)),
        1 / mu,
        root / epsilon,
        root / alike,
        mpmath.sqrt(20) / mu,
        20 * root / epsilon,
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"epsilon {row[0]}")
def test_each_number_beside_laplace_is_what_the_formulas_give(row):
    with mpmath.workdps(30):
        exact = truth(mpmath.mpf(row[0]))
        for shown, true in zip(row, exact, strict=True):
            half_a_digit = mpmath.mpf(10) ** -len(shown.partition(".")[2]) / 2
            assert abs(mpmath.mpf(shown) - true) <= half_a_digit * (1 + mpmath.mpf(10) ** -9)


def test_the_table_has_a_row_for_each_preset():
    assert [row[0] for row in ROWS] == ["0.5", "1", "3", "8"]


def test_laplace_would_cost_the_ledger_nineteen_times_as_much():
    """A Gaussian as easy to tell apart as one Laplace answer has Phi(mu/2) right; the ledger adds up squares of mu."""
    with mpmath.workdps(30):
        one = mpmath.mpf(1)
        as_much = 2 * mpmath.sqrt(2) * mpmath.erfinv(2 * laplace_right(one) - 1)
        assert mpmath.nint((as_much / mu_of(one)) ** 2) == 19
    assert "nineteen times" in SECTION
