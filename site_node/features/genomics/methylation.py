"""Methylation of a probe: beta, the fraction of methylated signal, and M, its log odds."""

import numpy as np

from site_node.features.arrays import Floats

OFFSET = 0.01


def m_value(beta: Floats, offset: float = OFFSET) -> Floats:
    """log2((beta + offset) / (1 - beta + offset)), after Du 2010 (doi:10.1186/1471-2105-11-587, eq. 3).

    Of any shape. With the offset a beta of 0 or 1 stays finite; what is not a fraction is NaN.
    """
    fraction = np.where((beta >= 0) & (beta <= 1), beta, np.nan)
    with np.errstate(divide="ignore"):
        return np.log2((fraction + offset) / (1.0 - fraction + offset))
