"""A genome-wide scan as panels: Manhattan, Q-Q, and the region of the strongest variant."""

from collections.abc import Sequence

import numpy as np

from protocols.core.figure import Axis, Curve, Curves
from protocols.core.table import Floats, Integers, Mask
from protocols.genomics.linkage import REGION_BASES, Places
from protocols.results.figures import floats

GENOME_WIDE = 5e-8
"""The p-value below which a variant is called: 0.05 over a million independent variants of a genome."""

_DRAWN = 1500  # points of a panel: all that are strong, and an even choice of the others
_SMALLEST = 1e-320
_LINE = float(-np.log10(GENOME_WIDE))
_BANDS = ((0.8, 1.0), (0.6, 0.8), (0.4, 0.6), (0.2, 0.4), (0.0, 0.2))


def manhattan(title: str, variants: Sequence[str], p: Floats) -> Curves:
    """(v,) p-values along the genome, chromosome by chromosome."""
    chromosomes, positions = names_and_positions(variants)
    strength = strengths(p)
    drawn = _chosen(strength)
    order = sorted(set(chromosomes), key=chromosome_order)
    curves, begin = [], 0.0
    for name in order:
        here = (chromosomes == name) & drawn
        length = float(positions[chromosomes == name].max())
        if here.any():
            curves.append(
                Curve("", floats((begin + positions[here]) / 1e6), floats(strength[here]), marks="points")
            )
        begin += length
    curves.append(Curve("", (0.0, begin / 1e6), (_LINE, _LINE), marks="guide"))
    x = Axis(f"position along chromosomes {order[0]} to {order[-1]}", "Mb")
    return Curves(title, x, Axis("−log10 p", low=0.0), tuple(curves))


def quantiles(title: str, p: Floats) -> Curves:
    """(v,) p-values against those of no association."""
    strength = np.sort(strengths(p[np.isfinite(p)]))[::-1]
    expected = -np.log10((np.arange(len(strength)) + 0.5) / len(strength))
    some = np.unique(np.geomspace(1, len(strength), min(len(strength), _DRAWN)).astype(int)) - 1
    points = Curve("", floats(expected[some]), floats(strength[some]), marks="points")
    end = float(expected[0])
    line = Curve("", (0.0, end), (0.0, end), marks="guide")
    return Curves(
        f"{title}, quantiles",
        Axis("−log10 p, none associated", low=0.0),
        Axis("−log10 p", low=0.0),
        (points, line),
    )


def region(title: str, variants: Sequence[str], p: Floats, lead: int, others: Integers, r2: Floats) -> Curves:
    """(v,) p-values around a lead, by their linkage with it.

    Args:
        others, r2: (m,) variants whose linkage with it is known, and it.
    """
    chromosomes, positions = names_and_positions(variants)
    near = (chromosomes == chromosomes[lead]) & (np.abs(positions - positions[lead]) <= REGION_BASES)
    strength = strengths(p)
    known = np.full(len(p), np.nan)
    known[others] = r2
    near &= np.isfinite(strength)
    at = positions / 1e6
    curves = [Curve("the strongest", floats(at[[lead]]), floats(strength[[lead]]), marks="points")]
    near[lead] = False
    for low, high in _BANDS:
        here = near & (known >= low) & ((known < high) | (high == 1.0))
        if here.any():
            label = f"r² {low:g} to {high:g} with it"
            curves.append(Curve(label, floats(at[here]), floats(strength[here]), marks="points"))
    if (here := near & np.isnan(known)).any():
        curves.append(Curve("r² not asked", floats(at[here]), floats(strength[here]), marks="points"))
    ends = float(at[lead] - REGION_BASES / 1e6), float(at[lead] + REGION_BASES / 1e6)
    curves.append(Curve("", ends, (_LINE, _LINE), marks="guide"))
    x = Axis(f"position on chromosome {chromosomes[lead]}", "Mb", *ends)
    return Curves(f"{title}, {variants[lead]}", x, Axis("−log10 p", low=0.0), tuple(curves))


def strengths(p: Floats) -> Floats:
    """(v,) −log10 p."""
    strength: Floats = -np.log10(np.maximum(p, _SMALLEST))
    return strength


def _chosen(strength: Floats) -> Mask:
    """Which of (v,) points are drawn: the strongest, and an even choice of the others."""
    known = np.flatnonzero(np.isfinite(strength))
    order = known[np.argsort(-strength[known], kind="stable")]
    rest = order[_DRAWN // 2 :]
    drawn = np.zeros(len(strength), dtype=bool)
    drawn[order[: _DRAWN // 2]] = True
    drawn[rest[:: max(1, 2 * len(rest) // _DRAWN)]] = True
    return drawn


def names_and_positions(
    variants: Sequence[str],
) -> "tuple[np.ndarray[tuple[int], np.dtype[np.str_]], Integers]":
    """(v,) chromosomes and positions; of a list that is not known here, the order on it."""
    cells = [name.split(":", 2) if ":" in name else ("?", str(i)) for i, name in enumerate(variants)]
    return np.array([one[0] for one in cells]), np.array([int(one[1]) for one in cells], dtype=np.int64)


def places_of(variants: Sequence[str]) -> Places:
    """Where the variants lie."""
    chromosomes, positions = names_and_positions(variants)
    _, numbers = np.unique(chromosomes, return_inverse=True)
    return Places(numbers.astype(np.int64), positions)


def chromosome_order(name: str) -> tuple[int, str]:
    """What chromosomes are sorted by: their numbers, then X and the others."""
    return (int(name), "") if name.isdigit() else (100, name)
