"""In which fraction of the tumour's cells a variant is, from the fraction of reads that show it."""

import numpy as np

from site_node.features.arrays import Floats

NORMAL_COPIES = 2.0


def cancer_cell_fraction(
    vaf: Floats,
    purity: Floats,
    tumour_copies: Floats,
    multiplicity: Floats,
    normal_copies: Floats | float = NORMAL_COPIES,
) -> Floats:
    """VAF / purity (purity CN_t + (1 - purity) CN_n) / m (McGranahan 2015, doi:10.1126/scitranslmed.aaa1408).

    It is not cut at 1: a fraction well above says that purity, copy number or multiplicity is wrong.
    NaN where one of them is not a number that a tumour can have.

    Args:
        vaf: (n,) fraction of reads with the variant; the others are (n,) as well.
        purity: fraction of the sample's cells that are tumour, above 0.
        tumour_copies: copies of the locus in a tumour cell.
        multiplicity: copies that carry the variant, at least 1.
        normal_copies: copies of the locus in a normal cell: 2, or 1 on X and Y of a man; (n,) or one number.
    """
    sound = (purity > 0) & (purity <= 1) & (tumour_copies > 0) & (multiplicity >= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        copies = purity * tumour_copies + (1.0 - purity) * normal_copies
        return np.where(sound, vaf / purity * copies / multiplicity, np.nan)


def likely_multiplicity(
    vaf: Floats, purity: Floats, tumour_copies: Floats, normal_copies: Floats | float = NORMAL_COPIES
) -> Floats:
    """(n,) copies with the variant, a whole number from 1 to the copies that there are.

    VAF / purity (purity CN_t + CN_n (1 - purity)), which a wrong purity takes beyond all copies: then the
    fraction of cells shows it. NaN where the fraction of cells is.
    """
    one_copy = cancer_cell_fraction(vaf, purity, tumour_copies, np.ones_like(vaf), normal_copies)
    most = np.maximum(1.0, np.floor(tumour_copies))
    return np.maximum(1.0, np.minimum(np.rint(one_copy), most))
