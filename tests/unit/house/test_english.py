"""What people read, in messages, docstrings and guides, is free of the habits that stop a native reader."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("cdm", "protocols", "site_node", "server")

# (what is not written, a sentence with it, what to write)
HABITS = [
    (
        r"\b([Oo]ne|[Tt]wo) (row|line|column|record|file|entry|number|message|query|round)s? an? [a-z]",
        "one row a person",
        "one row per person",
    ),
    (
        r"\d (column|row|parameter|feature|byte)s an? [a-z]",
        "at most 0.33 columns a person",
        "at most 0.33 columns per person",
    ),
    (r"\b[Ww]ho miss(es|ed)?\b", "who misses it is left out", "people without a value are left out"),
    (
        r"(?<![Tt]here )\b(is|are) none\b",
        "the address is none",
        "the address is not valid; in Returns: or None",
    ),
    (
        r"\b(what|that|which) (is|are) no (?!longer|more|less)",
        "cuts of what is no covariate",
        "... that is not a covariate",
    ),
    (r"\bNothing, (if|unless|when)\b", "Nothing, if all are sound.", "Raises unless all are sound."),
    (
        r"^take |\b[Tt]ake (fewer|these|those|(it|them) out|a (larger|smaller|longer|wider))\b",
        "take fewer covariates",
        "use fewer, remove these, choose a larger",
    ),
    (r"\b[Ff]ore(tell|tells|told|saw)\b|\bunforeseen\b", "it foretells survival", "it predicts survival"),
    (
        r"\b(site|study|column|standard|server|sum)s? wants?\b",
        "the study wants 3 sites",
        "the study requires 3 sites",
    ),
    (r"\bstands twice\b", "a variable stands twice", "a variable is listed twice"),
    (r"\bpeople enough\b", "sites have people enough", "sites have enough people"),
    (r"\bpeople on[;,.]", "from 5 people on.", "if it has at least 5 people"),
    (r"\b(ran|runs|run) away\b", "training ran away", "training diverged"),
    (r"\b[Hh]eld (to|against) (the|those|[A-Z])", "held to R's values", "compared with R's values"),
]


def _strings(path: Path) -> Iterator[tuple[int, str]]:
    """Each line of each text of a module, docstrings too, with its number."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from enumerate(node.value.splitlines(), node.lineno)


def _texts() -> Iterator[tuple[str, int, str]]:
    """All that is looked at: path, line number, line."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for number, line in _strings(path):
                yield str(path.relative_to(ROOT)), number, line
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            yield str(path.relative_to(ROOT)), number, line


@pytest.mark.parametrize(("habit", "example", "better"), HABITS, ids=[example for _, example, _ in HABITS])
def test_a_habit_is_recognised_and_what_to_write_is_free_of_all(
    habit: str, example: str, better: str
) -> None:
    assert re.search(habit, example)
    assert not [other for other, _, _ in HABITS if re.search(other, better)]


def test_messages_docstrings_and_guides_are_free_of_habits_that_stop_a_reader() -> None:
    found = [
        f"{path}:{number}: {match[0]!r}; write for instance: {better!r}"
        for path, number, line in _texts()
        for habit, _, better in HABITS
        if (match := re.search(habit, line))
    ]
    assert not found, "\n".join(found)
