"""Counts of people that each site shows in the clear beside their total, where none that is hidden follows.

The numbers over all sites are known, so one that a single site may not show would be what the others leave
of it. Each site therefore says first, in a sum, where its own part of a total is one that it would not show.
Such a number is shown by no site, unless three sites at least would not show theirs and these hold enough
people together, also without any one of them.
"""

from collections.abc import Collection, Mapping

import numpy as np

from protocols.core.disclosure import Band, Count, Declaration, Flag, Thresholds
from protocols.core.protocol import Arrays, Total
from protocols.core.table import Integers


def declared(**counts: Count) -> dict[str, Declaration]:
    """What a step declares that answers with `few` of these counts."""
    return {
        **{
            f"few_{name}": Flag(*of.axes, what=f"sites with too few {of.what}") for name, of in counts.items()
        },
        **{name: Band(*of.axes, what=f"{of.what} at these, in whole floors") for name, of in counts.items()},
    }


def few(counts: Mapping[str, Integers], in_total: Mapping[str, Integers] | None = None) -> Arrays:
    """Where a site has too few of what it counts to show it, and how many there.

    Args:
        counts: by name, (...) people on whom a number stands that is shown only if they are enough.
        in_total: the people whom it adds to the total, where these are others. Fewer than
            `min_count_in_sum` are no part of a total, so they do not follow from one.
    """
    floors, parts = Thresholds(), {**counts, **(in_total or {})}
    is_few = {
        name: (parts[name] >= floors.min_count_in_sum) & (of < floors.min_count)
        for name, of in counts.items()
    }
    return {
        **{f"few_{name}": np.asarray(flags).astype(np.int64) for name, flags in is_few.items()},
        **{name: np.where(is_few[name], of, 0) for name, of in counts.items()},
    }


def may_show(total: Total, names: Collection[str]) -> dict[str, Integers]:
    """By the joined answer about `few`, 1 where each site may show its number, else 0."""
    most = Thresholds().min_sites_in_sum
    return {
        name: np.asarray(
            (total[f"few_{name}"] == 0) | ((total[f"few_{name}"] >= most) & (total[name] >= total.floors))
        ).astype(np.int64)
        for name in names
    }
