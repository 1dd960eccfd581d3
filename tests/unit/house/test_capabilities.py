"""What an analysis can do is declared (protocols/core/roles.py); nothing looks by name whether it might."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_whatever_is_read_by_name_says_on_its_line_why() -> None:
    unexplained = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "protocols").rglob("*.py"))
        for line in path.read_text().splitlines()
        if re.search(r"\b(getattr|hasattr)\(", line) and "  # " not in line
    ]
    assert not unexplained
