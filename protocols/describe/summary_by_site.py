"""What each site shows of a summary in the clear, where no other site's hidden numbers follow from it.

It would not show a number of few people, or of none who differ; see `core.beside_total`.
"""

from collections.abc import Mapping

import numpy as np

from protocols.core.beside_total import declared
from protocols.core.beside_total import few as few_of
from protocols.core.beside_total import may_show as may_show_of
from protocols.core.disclosure import Count
from protocols.core.people_in_effect import is_dominated
from protocols.core.protocol import Arrays, Total
from protocols.core.table import Floats, Integers, Mask
from protocols.describe.summary_numbers import behind_the_mean

_PARTS = {
    "people": Count("group"),
    "known": Count("group", "variable", what="people with a value"),
    "apart": Count("group", "variable", what="people on whom the mean is based"),
    "cells": Count("pair", what="people in the smallest cell"),
}
"""What a site may have too few of to show a number."""

FEW = declared(**_PARTS)


def few(x: Floats, known: Mask, members: Mask, cross: Integers) -> Arrays:
    """The arrays of `FEW`, of (n, variable) numbers, the (group, n) members and the (pair, 2, 2) people."""
    n = members.astype(np.int64) @ known
    rarer = [[behind_the_mean(x[m & k, v]) for v, k in enumerate(known.T)] for m in members]
    there = {
        "people": members.sum(axis=1),
        "known": n,
        "apart": np.array(rarer, dtype=np.int64).reshape(n.shape),
        "cells": cross.min(axis=(1, 2)),
    }
    return few_of(there, {"apart": n, "cells": cross.sum(axis=(1, 2))})


def may_show(total: Total) -> dict[str, Integers]:
    """By the joined answer about `FEW`, 1 where each site may show its number, else 0."""
    return may_show_of(total, _PARTS)


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
