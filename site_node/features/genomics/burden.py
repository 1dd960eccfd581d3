"""Tumour mutational burden: mutations a megabase of what was read; without its size there is no burden."""

import numpy as np

from site_node.features.arrays import Floats


def burden(mutations: Floats, megabases: Floats) -> Floats:
    """(n,) mutations per megabase; NaN where it is not known how much was read.

    Panels of less than about one megabase scatter widely (Buchhalter 2019, doi:10.1002/ijc.31878), which
    shows in the size and not here.
    """
    return mutations / np.where(megabases > 0, megabases, np.nan)
