"""What a site sums of sets of rare variants: columns of the rarer allele, one for all that few people carry.

A variant whose rarer allele enough people carry over all sites is a column of its own. All others of a gene
become one column, the most copies that a person has of any of them (as SAIGE-GENE+ does), which is there if
enough people have it. So nothing leaves that stands on the carriers of one very rare variant.

Reference: Zhou et al., Nat Genet 54 (2022) 1466.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from protocols.core.disclosure import Band, Count, Declaration, Moment
from protocols.core.protocol import Arrays
from protocols.core.table import Floats, Integers
from protocols.genomics.block_scan import Scan
from protocols.genomics.genotype_scan import MOST_COPIES

COLLAPSED: Mapping[str, Declaration] = {
    "carriers": Band("gene", what="people with a very rare allele of the gene, in whole floors"),
}

COLLAPSED_COPIES: Mapping[str, Declaration] = {
    "n": Count(),
    "copies": Moment("gene", at_most=MOST_COPIES, what="sums of copies of very rare alleles"),
}

KERNEL: Mapping[str, Declaration] = {
    "n": Count(),
    "score": Moment("member", what="scores of a set's columns"),
    "covariance": Moment("member", "member", what="weighted products of its columns"),
    "with_terms": Moment("member", "term", what="weighted products of its columns and a covariate"),
    "ones": Moment("member", what="the vector of ones"),
    "residual": Moment("term", what="sums of products of residuals and a covariate"),
}

TILTED: Mapping[str, Declaration] = {
    "n": Count(),
    "cumulant": Moment("side", what="cumulant function of the burden's score"),
    "first": Moment("side", what="its first derivative"),
    "second": Moment("side", what="its second derivative"),
    "reach": Moment("side", what="the largest and the smallest score that there can be"),
}


def collapsed(scan: Scan, rare: Integers, flip: Integers, of: Integers, genes: int) -> Floats:
    """(n, genes) the most copies that each person has of any very rare allele of a gene; 0 for a missing one.

    Args:
        rare: (m,) positions; flip: (m,) 1 where REF is the rare allele; of: (m,) the number of its gene.
    """
    most = np.zeros((len(scan.block), genes))
    if not len(rare):
        return most
    copies = np.nan_to_num(_of_rarer(scan.block.columns(rare), flip))
    for gene in np.unique(of):
        most[:, gene] = copies[:, of == gene].max(axis=1, initial=0.0)
    return most


def columns(
    scan: Scan,
    at: Integers,
    flip: Integers,
    mean: Floats,
    rare: Integers,
    rare_flip: Integers,
    of: Integers,
    weight: Floats,
) -> Floats:
    """(n, k) weighted columns of a set: of the variants at `at`, then those of very rare alleles.

    Args:
        at, flip, mean: (j,) positions, whether REF is rarer, and what a missing number of copies becomes.
        rare, rare_flip, of: of very rare alleles, see `collapsed`; (k - j) genes have any.
        weight: (k,).
    """
    x = np.zeros((len(scan.block), len(at)))
    if len(at):
        x = _of_rarer(scan.block.columns(at), flip)
        x = np.where(np.isnan(x), mean, x)
    return np.hstack([x, collapsed(scan, rare, rare_flip, of, len(weight) - len(at))]) * weight


def kernel(scan: Scan, z: Floats, coef: Floats, shift: Floats, scale: Floats, *, logistic: bool) -> Arrays:
    """The arrays of KERNEL, of (n, k) columns under a model without variants."""
    x = np.column_stack([np.ones(len(scan.confounders)), (scan.confounders - shift) * scale])
    y, eta = scan.outcomes[:, 0], x @ coef
    mu = expit(eta) if logistic else eta
    weight = mu * (1 - mu) if logistic else np.ones(len(y))
    residual, weighted = y - mu, z * weight[:, None]
    return {
        "n": np.array(len(y)),
        "score": z.T @ residual,
        "covariance": z.T @ weighted,
        "with_terms": weighted.T @ x,
        "ones": np.ones(z.shape[1]),
        "residual": x.T @ residual,
    }


def tilted(
    scan: Scan, z: Floats, along: Floats, tilt: Floats, coef: Floats, shift: Floats, scale: Floats
) -> Arrays:
    """The arrays of TILTED, of the sum of (n, k) columns with (t,) `along` the design taken out.

    Args:
        tilt: (2,) where the cumulant function of its score is asked, for both sides.
    """
    x = np.column_stack([np.ones(len(scan.confounders)), (scan.confounders - shift) * scale])
    mu = expit(x @ coef)[:, None]
    g = (z.sum(axis=1) - x @ along)[:, None]
    power = g * tilt
    at_tilt = mu / (mu + (1 - mu) * np.exp(-power))
    ends = np.where([True, False], g > 0, g < 0)
    return {
        "n": np.array(len(z)),
        "cumulant": (np.log1p(mu * np.expm1(power)) - power * mu).sum(axis=0),
        "first": (g * (at_tilt - mu)).sum(axis=0),
        "second": (g**2 * at_tilt * (1 - at_tilt)).sum(axis=0),
        "reach": (g * (ends - mu)).sum(axis=0),
    }


def _of_rarer(copies: Floats, flip: Integers) -> Floats:
    """(n, k) copies of the rarer allele."""
    found: Floats = np.where(flip.astype(bool), MOST_COPIES - copies, copies)
    return found
