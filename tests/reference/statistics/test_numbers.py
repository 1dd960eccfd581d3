"""How many of the reference numbers hold; `pytest tests/reference/statistics -s` prints it."""

import pytest

from tests.reference.statistics.moments import MOMENTS
from tests.reference.statistics.numbers import REFERENCES

EVERYTHING = REFERENCES | MOMENTS


@pytest.mark.parametrize("reference", EVERYTHING)
def test_reference_numbers_hold(reference: str) -> None:
    checks = list(EVERYTHING[reference]())
    held, numbers = sum(c.holds() for c in checks), sum(c.numbers() for c in checks)
    print(f"\n{reference}: {held} of {numbers} numbers hold, worst {max(c.worst() for c in checks):.1e}")
    missed = [f"{c.quantity}: worst {c.worst():.1e}" for c in checks if c.holds() < c.numbers()]
    assert not missed
