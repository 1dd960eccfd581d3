"""How many of the reference numbers hold; `pytest tests/reference/statistics -s` prints it."""

import pytest

from tests.reference.statistics.numbers import REFERENCES


@pytest.mark.parametrize("reference", REFERENCES)
def test_reference_numbers_hold(reference: str) -> None:
    checks = list(REFERENCES[reference]())
    held, numbers = sum(c.holds() for c in checks), sum(c.numbers() for c in checks)
    print(f"\n{reference}: {held} of {numbers} numbers hold, worst {max(c.worst() for c in checks):.1e}")
    missed = [f"{c.quantity}: worst {c.worst():.1e}" for c in checks if c.holds() < c.numbers()]
    assert not missed
