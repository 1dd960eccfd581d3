"""The house as a picture: every folder a room, its height the lines in it, every arrow imports.

    .venv/bin/python -m tests.draw_house docs/pictures/house.svg            # this checkout
    .venv/bin/python -m tests.draw_house OUT.svg --root FOLDER              # another one

Rooms of one package stand on the floors that their imports give: what is imported lies below. Modules that
lie flat in a package are one room each, so a package without streets is seen as one.
"""

import argparse
import ast
from collections import defaultdict
from pathlib import Path

import matplotlib
from matplotlib import pyplot as plt

matplotlib.use("svg")
matplotlib.rcParams["svg.fonttype"] = "none"  # words, not outlines: half of the size
matplotlib.rcParams["svg.hashsalt"] = "house"  # the same picture is the same file

PACKAGES = ("cdm", "protocols", "site_node", "server")
ROW = 7  # rooms side by side
COLOURS = dict(zip(PACKAGES, ("#8a9a5b", "#5b7c99", "#b07d4f", "#8e6c8a"), strict=True))


def rooms(root: Path) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Room -> its lines of code, and room -> the rooms that it imports."""
    lines: dict[str, int] = defaultdict(int)
    arrows: dict[str, set[str]] = defaultdict(set)
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            text = file.read_text()
            here = _room(file.relative_to(root).with_suffix("").parts)
            lines[here] += text.count("\n")
            for name in _imported(ast.parse(text), file.relative_to(root)):
                arrows[here].add(_room(_existing(root, name)))
    return dict(lines), {room: {t for t in to if t in lines} - {room} for room, to in arrows.items()}


def _room(parts: tuple[str, ...]) -> str:
    return "/".join(parts[: 2 if len(parts) > 1 and parts[1] != "__init__" else 1])


def _existing(root: Path, name: str) -> tuple[str, ...]:
    """The longest beginning of a dotted name that is a folder or a module."""
    parts = tuple(name.split("."))
    while len(parts) > 1 and not _is_there(root.joinpath(*parts)):
        parts = parts[:-1]
    return parts


def _is_there(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").is_file()


def _imported(tree: ast.Module, file: Path) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = file.parts[: -node.level] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found += [f"{module}.{alias.name}" for alias in node.names]
    return [name for name in found if name.split(".")[0] in PACKAGES]


def floors(mine: list[str], arrows: dict[str, set[str]]) -> dict[str, int]:
    """Room -> its floor: one above the highest room that it imports; mutual imports do not count."""
    floor = dict.fromkeys(mine, 0)
    for _ in mine:
        for room in mine:
            below = [t for t in arrows.get(room, ()) if t in floor and room not in arrows.get(t, ())]
            floor[room] = max([floor[room], *(floor[t] + 1 for t in below)])
    return {room: min(level, len(mine)) for room, level in floor.items()}


def places(mine: list[str], lines: dict[str, int], floor: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Room -> (x, y); the rooms of a full floor stand in several rows."""
    place = {}
    for level in set(floor.values()):
        here = sorted((room for room in mine if floor[room] == level), key=lambda room: -lines[room])
        rows = -(-len(here) // ROW)
        for i, room in enumerate(here):
            row, column = divmod(i, -(-len(here) // rows))
            width = len(here[row * -(-len(here) // rows) :][: -(-len(here) // rows)])
            place[room] = ((column + 1) / (width + 1), level + (row - (rows - 1) / 2) * 0.17)
    return place


def draw(root: Path, out: Path) -> None:
    """Writes the picture."""
    lines, arrows = rooms(root)
    figure, panels = plt.subplots(2, 2, figsize=(15, 14))
    for package, axes in zip(PACKAGES, panels.flat, strict=True):
        mine = [room for room in lines if room.split("/")[0] == package]
        floor = floors(mine, arrows)
        place = places(mine, lines, floor)
        style = {"arrowstyle": "-|>", "color": "#c4c4c4", "lw": 0.6}
        for room in mine:
            for target in sorted(arrows.get(room, set()) & place.keys()):
                axes.annotate("", place[target], place[room], arrowprops=style)
        box = {"boxstyle": "round", "facecolor": COLOURS[package], "alpha": 0.4, "edgecolor": "none"}
        for room, (x, y) in place.items():
            words = f"{room.partition('/')[2] or 'itself'}\n{lines[room]}"
            axes.text(x, y, words, ha="center", va="center", fontsize=8, bbox=box)
        axes.set_title(f"{package}: {len(mine)} rooms, {sum(lines[room] for room in mine):,} lines")
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.6, max(floor.values()) + 0.6)
        axes.axis("off")
    figure.tight_layout()
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    """Draws what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m tests.draw_house")
    parser.add_argument("out", type=Path)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1])
    given = parser.parse_args()
    draw(given.root, given.out)


if __name__ == "__main__":
    main()
