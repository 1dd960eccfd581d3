"""Expression from read counts: what is comparable between genes (length) and between samples (depth)."""

import numpy as np

from site_node.features.arrays import Floats


def tpm(counts: Floats, lengths: Floats) -> Floats:
    """(genes, samples) transcripts per million, which a sample has in all (Wagner 2012, Theory Biosci 131).

    A gene without a known length (NaN) is NaN and counts in no sum; a sample without any read is NaN.

    Args:
        counts: (genes, samples) reads, or expected reads.
        lengths: (genes,) base pairs of all exons together.
    """
    rates = counts / _positive(lengths)[:, None]
    return 1e6 * rates / _sums(rates)


def fpkm(counts: Floats, lengths: Floats) -> Floats:
    """(genes, samples) fragments per kilobase and million of all counted (Mortazavi 2008, Nat Methods 5).

    Every counted read is in the million, those of genes without a length too.
    """
    return 1e9 * counts / _positive(lengths)[:, None] / _sums(counts)


def log2_1p(values: Floats) -> Floats:
    """log2(1 + x) of any shape, in which a gene without a read is 0."""
    return np.log2(1.0 + values)


def _positive(lengths: Floats) -> Floats:
    return np.where(lengths > 0, lengths, np.nan)


def _sums(values: Floats) -> Floats:
    sums = np.nansum(values, axis=0, keepdims=True)
    return np.where(sums > 0, sums, np.nan)
