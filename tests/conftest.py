"""The fixtures of all tests, and the line at the end that says what was left out and for want of what."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, and no verdict by the clock of a busy machine.
settings.register_profile(
    "tests", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tests")

pytest_plugins = ["tests.lib.databases"]

WANTED = ("torch", "Orthanc", "PostgreSQL", "nginx", "caddy", "shared input")
"""What a machine may lack, by the word that names it in the reason of a skipped test."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Counts the tests that were left out by what this machine lacks."""
    skipped = terminalreporter.stats.get("skipped", [])
    reasons = [report.longrepr[2] if isinstance(report.longrepr, tuple) else "" for report in skipped]
    lacks = Counter(next((word for word in WANTED if word in reason), "another reason") for reason in reasons)
    said = ", ".join(f"{word} {count}" for word, count in lacks.most_common()) or "nothing"
    terminalreporter.write_line(f"left out for want of: {said}")
