"""How many numbers of other people's software hold, printed at the end."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

Holds = Callable[..., None]

_PROPERTY = "oracle"


@pytest.fixture
def holds(record_property: Callable[[str, Any], None]) -> Iterator[Holds]:
    """Compares numbers with an oracle's and counts those that hold; fails at the end for the others."""
    faults: list[str] = []

    def compare(
        oracle: str, found: ArrayLike, expected: ArrayLike, *, rtol: float, atol: float = 0.0
    ) -> None:
        found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
        assert found.shape == expected.shape
        assert found.size, oracle
        good = np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
        record_property(_PROPERTY, [oracle, int(good.sum()), int(good.size)])
        if not good.all():
            worst = np.abs(found - expected)[~good].max()
            faults.append(
                f"{oracle}: {int((~good).sum())} of {good.size} numbers differ, by {worst:.3g} at most"
            )

    yield compare
    assert not faults, "\n".join(faults)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    told = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown"  # which has what the call recorded, too
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    if not told:
        return
    terminalreporter.section("numbers of other software")
    kept: dict[str, tuple[int, int]] = {}
    for oracle, good, size in told:
        before = kept.get(oracle, (0, 0))
        kept[oracle] = (before[0] + good, before[1] + size)
    for oracle, (good, size) in sorted(kept.items()):
        terminalreporter.write_line(f"{good:8,} of {size:8,}  {oracle}")
    good, size = (sum(pair[i] for pair in kept.values()) for i in (0, 1))
    terminalreporter.write_line(f"{good:8,} of {size:8,}  in all")
