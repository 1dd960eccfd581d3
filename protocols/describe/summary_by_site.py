"""What each site shows of a summary in the clear, where no other site's hidden numbers follow from it.

The numbers over all sites are known, so one that a single site may not show would be what the others leave
of it. Each site therefore says first, in a sum, where its own part of a total is one that it would not show:
of few people, or of none who differ. Such a number is shown by no site, unless three sites at least would not
show theirs and these hold enough people together.
"""

from collections.abc import Mapping

import numpy as np

from protocols.core.disclosure import Band, Declaration, Flag, Thresholds
from protocols.core.people_in_effect import is_dominated
from protocols.core.protocol import Arrays, Total
from protocols.core.table import Floats, Integers, Mask
from protocols.describe.summary_numbers import behind_the_mean

_PARTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "people": (("group",), "people"),
    "known": (("group", "variable"), "people with a value"),
    "apart": (("group", "variable"), "people on whom the mean is based"),
    "cells": (("pair",), "people in the smallest cell"),
}
"""What a site may have too few of to show a number: its axes, and what it is."""

FEW: Mapping[str, Declaration] = {
    **{
        f"few_{name}": Flag(*axes, what=f"sites with too few {what}") for name, (axes, what) in _PARTS.items()
    },
    **{name: Band(*axes, what=f"{what} at these, in whole floors") for name, (axes, what) in _PARTS.items()},
}


def few(x: Floats, known: Mask, members: Mask, cross: Integers) -> Arrays:
    """The arrays of `FEW`, of (n, variable) numbers, the (group, n) members and the (pair, 2, 2) people.

    A count of fewer than `min_count_in_sum` people is no part of a total, so it does not follow from one.
    """
    floors, n = Thresholds(), members.astype(np.int64) @ known
    rarer = [[behind_the_mean(x[m & k, v]) for v, k in enumerate(known.T)] for m in members]
    there = {
        "people": members.sum(axis=1),
        "known": n,
        "apart": np.array(rarer, dtype=np.int64).reshape(n.shape),
        "cells": cross.min(axis=(1, 2)),
    }
    in_total = {**there, "apart": n, "cells": cross.sum(axis=(1, 2))}
    is_few = {
        name: (in_total[name] >= floors.min_count_in_sum) & (counts < floors.min_count)
        for name, counts in there.items()
    }
    return {
        **{f"few_{name}": flags.astype(np.int64) for name, flags in is_few.items()},
        **{name: np.where(is_few[name], counts, 0) for name, counts in there.items()},
    }


def may_show(total: Total) -> dict[str, Integers]:
    """By the joined answer about `FEW`, 1 where each site may show its number, else 0."""
    most = Thresholds().min_sites_in_sum
    return {
        name: np.asarray(
            (total[f"few_{name}"] == 0) | ((total[f"few_{name}"] >= most) & (total[name] >= total.floors))
        ).astype(np.int64)
        for name in _PARTS
    }


def of_site(
    x: Floats, known: Mask, members: Mask, cross: Integers, may_show: Mapping[str, Integers]
) -> Arrays:
    """A site's own numbers for the clear, where these may be shown.

    Args:
        x: (n, variable) numbers; known: (n, variable) where they are; members: (group, n).
        cross: (pair, 2, 2) people.
        may_show: (group,), (group, variable) and (pair,) 1 or 0, see `may_show`.
    """
    mean, sd = np.zeros((2, len(members), x.shape[1]))
    smallest = np.zeros(mean.shape, dtype=np.int64)
    for g, member in enumerate(members):
        for v in range(x.shape[1]):
            values = x[member & known[:, v], v]
            smallest[g, v] = 0 if is_dominated(values) else behind_the_mean(values)
            mean[g, v] = values.mean() if len(values) else 0.0
            sd[g, v] = values.std(ddof=1) if len(values) > 1 else 0.0
    return {
        "people": members.sum(axis=1) * may_show["people"],
        "n": (members.astype(np.int64) @ known) * may_show["known"],
        "smallest": smallest * may_show["apart"] * may_show["known"],
        "mean": mean,
        "sd": sd,
        "smallest_cell": cross.min(axis=(1, 2)) * may_show["cells"],
        "cross": cross.astype(float),
    }
