"""The places that each extension point touches, as docs/adding.md has them: `python -m tests.adding`."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "adding.md"


@dataclass(frozen=True)
class Point:
    """One extension point of the page: its places in their order, and its examples in Python."""

    name: str
    places: tuple[str, ...]
    examples: tuple[str, ...]


def points() -> list[Point]:
    """The extension points of docs/adding.md."""
    sections = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return [
        Point(
            section.partition("\n")[0],
            tuple(re.findall(r"^\d+\. (.+)$", section, flags=re.MULTILINE)),
            tuple(re.findall(r"^```python\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)),
        )
        for section in sections
    ]


def main() -> None:
    for point in points():
        numbered = "".join(f"  {i}. {place}\n" for i, place in enumerate(point.places, start=1))
        sys.stdout.write(f"{point.name}\n{numbered}")


if __name__ == "__main__":
    main()
