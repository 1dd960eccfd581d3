"""What a site sums of genotypes: carriers in whole floors, copies, and products with what is known.

All variants stand on one set of people: those with genotypes, the covariates and the outcomes. A missing
genotype becomes the mean of the known ones over all sites (of the site's own, with an intercept for each
site). If each variant had its own people, differences would tell of those without a genotype.
"""

from collections.abc import Mapping

import numpy as np

from protocols.core.block import chunks
from protocols.core.disclosure import Band, Count, Declaration, Moment
from protocols.core.protocol import Arrays
from protocols.core.table import Floats, Integers
from protocols.estimation.moments import column_moments
from protocols.genomics.block_scan import Scan, known_means

MOST_COPIES = 2.0

CARRIERS: Mapping[str, Declaration] = {
    "alternate": Band("variant", what="people with a copy of ALT, in whole floors"),
    "reference": Band("variant", what="people with a copy of REF, in whole floors"),
}
"""Whether both alleles of a variant are carried by enough people for anything about it to leave."""

COPIES: Mapping[str, Declaration] = {
    "n": Count(),
    "known": Count("variant", of="n", what="people with a genotype"),
    "copies": Moment("variant", behind="known", at_most=MOST_COPIES, what="sums of copies of ALT"),
}

PRODUCTS: Mapping[str, Declaration] = {
    "n": Count(),
    "square": Moment("variant", at_most=MOST_COPIES**2, what="sums of squares of copies about their mean"),
    "with_covariates": Moment(
        "variant", "covariate", what="sums of products of copies about their mean and a covariate"
    ),
    "with_outcomes": Moment(
        "variant", "outcome", what="sums of products of copies about their mean and an outcome"
    ),
}


def carriers(scan: Scan, at: Integers) -> Arrays:
    """The arrays of CARRIERS of the variants at (k,) positions; a dosage counts as the nearest genotype."""
    alternate, reference = (np.zeros(len(at), dtype=np.int64) for _ in range(2))
    for some, x in chunks(scan.block, at):
        alternate[some] = np.count_nonzero(x >= 0.5, axis=0)  # NaN is neither
        reference[some] = np.count_nonzero(x <= MOST_COPIES - 0.5, axis=0)
    return {"alternate": alternate, "reference": reference}


def copies(scan: Scan, at: Integers) -> Arrays:
    """The arrays of COPIES of the variants at (k,) positions."""
    known, total = np.zeros(len(at), dtype=np.int64), np.zeros(len(at))
    for some, x in chunks(scan.block, at):
        missing = np.isnan(x)
        known[some] = len(x) - np.count_nonzero(missing, axis=0)
        total[some] = np.where(missing, 0.0, x).sum(axis=0)
    return {"n": np.array(len(scan.block)), "known": known, "copies": total}


def products(scan: Scan, at: Integers, mean: Floats, shift: Floats, scale: Floats) -> Arrays:
    """The arrays of PRODUCTS of the variants at (k,) positions.

    Args:
        mean: (k,) what is taken from the copies, and stands for missing ones.
        shift, scale: (c + o,) of the covariates and the outcomes, whose products are of the changed ones.
    """
    width = scan.confounders.shape[1]
    c, _ = column_moments(scan.confounders, shift[:width], scale[:width], scan.intercepts)
    o, _ = column_moments(scan.outcomes, shift[width:], scale[width:], scan.intercepts)
    beside = np.hstack([c, o])
    square, sums = np.zeros(len(at)), np.zeros((len(at), beside.shape[1]))
    for some, x in chunks(scan.block, at):
        z = centred(scan, x, mean[some])
        square[some] = np.einsum("ij,ij->j", z, z)
        sums[some] = z.T @ beside
    return {
        "n": np.array(len(scan.block)),
        "square": square,
        "with_covariates": sums[:, :width],
        "with_outcomes": sums[:, width:],
    }


def centred(scan: Scan, x: Floats, mean: Floats) -> Floats:
    """(n, k) copies about (k,) their mean; 0 for a missing one."""
    z = x - (known_means(x) if scan.intercepts == "site" else mean)
    z[np.isnan(z)] = 0.0
    return z
