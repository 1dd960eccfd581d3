"""Whether the variants of a fileset lie on the genome build that somebody says.

Well-known variants, which most arrays have, are found by their rs numbers, and their positions looked up on
both builds (dbSNP 155). Where the file has fewer than three of them, positions beyond the end of a chromosome
still tell (Genome Reference Consortium).
"""

import numpy as np
import pandas as pd

from site_node.features.arrays import Mask

FEWEST = 3

# rs number -> chromosome, position on GRCh37, position on GRCh38
KNOWN = {
    "rs1801133": ("1", 11_856_378, 11_796_321),
    "rs4988235": ("2", 136_608_646, 135_851_076),
    "rs16891982": ("5", 33_951_693, 33_951_588),
    "rs1799945": ("6", 26_091_179, 26_090_951),
    "rs1800562": ("6", 26_093_141, 26_092_913),
    "rs1333049": ("9", 22_125_503, 22_125_504),
    "rs7903146": ("10", 114_758_349, 112_998_590),
    "rs334": ("11", 5_248_232, 5_227_002),
    "rs6265": ("11", 27_679_916, 27_658_369),
    "rs3184504": ("12", 111_884_608, 111_446_804),
    "rs12913832": ("15", 28_365_618, 28_120_472),
    "rs1426654": ("15", 48_426_484, 48_134_287),
    "rs9939609": ("16", 53_820_527, 53_786_615),
    "rs1042522": ("17", 7_579_472, 7_676_154),
    "rs429358": ("19", 45_411_941, 44_908_684),
    "rs7412": ("19", 45_412_079, 44_908_822),
    "rs4680": ("22", 19_951_271, 19_963_748),
}

# lengths of 1 to 22, X and Y
_LENGTHS = {
    "GRCh37": (
        249_250_621, 243_199_373, 198_022_430, 191_154_276, 180_915_260, 171_115_067,
        159_138_663, 146_364_022, 141_213_431, 135_534_747, 135_006_516, 133_851_895,
        115_169_878, 107_349_540, 102_531_392, 90_354_753, 81_195_210, 78_077_248,
        59_128_983, 63_025_520, 48_129_895, 51_304_566, 155_270_560, 59_373_566,
    ),
    "GRCh38": (
        248_956_422, 242_193_529, 198_295_559, 190_214_555, 181_538_259, 170_805_979,
        159_345_973, 145_138_636, 138_394_717, 133_797_422, 135_086_622, 133_275_309,
        114_364_328, 107_043_718, 101_991_189, 90_338_345, 83_257_441, 80_373_285,
        58_617_616, 64_444_167, 46_709_983, 50_818_468, 156_040_895, 57_227_415,
    ),
}  # fmt: skip
SHARED_BY_X_AND_Y = {
    "GRCh37": ((60_001, 2_699_520), (154_931_044, 155_260_560)),
    "GRCh38": ((10_001, 2_781_479), (155_701_383, 156_030_895)),
}
"""The pseudoautosomal regions, first and last position on X (Genome Reference Consortium)."""

_CHROMOSOMES = (*map(str, range(1, 23)), "X", "Y")


def contradicts(found: pd.DataFrame, build: str) -> bool:
    """Whether a fileset's variants, as `Fileset.read_variants` gives them, lie on another build than this.

    A build that is neither of the two is not judged.
    """
    if build not in _LENGTHS:
        return False
    known = found[found["id"].isin(list(KNOWN))]
    seen = {"GRCh37": 0, "GRCh38": 0}
    for row in known.itertuples():
        name, *positions = KNOWN[str(row.id)]
        for one, position in zip(seen, positions, strict=True):
            seen[one] += (row.chromosome, row.position) == (name, position)
    other = "GRCh38" if build == "GRCh37" else "GRCh37"
    if seen[other] >= FEWEST and seen[other] > seen[build]:
        return True
    return bool(beyond_the_end(found, build).any())


def only_on_x(found: pd.DataFrame, build: str) -> Mask:
    """(v,) which variants lie on X alone; all on X, of a build whose shared regions are not known here."""
    on_x: Mask = (found["chromosome"] == "X").to_numpy()
    for first, last in SHARED_BY_X_AND_Y.get(build, ()):
        on_x &= ~found["position"].between(first, last).to_numpy()
    return on_x


def beyond_the_end(found: pd.DataFrame, build: str) -> "pd.Series[bool]":
    """Which variants lie beyond the end of their chromosome."""
    lengths = dict(zip(_CHROMOSOMES, _LENGTHS[build], strict=True))
    last = found["chromosome"].map(lengths)
    beyond: pd.Series[bool] = found["position"] > last.fillna(np.inf)
    return beyond
