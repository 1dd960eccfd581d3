"""RT15: the genotypes of one person, from the components of everybody's."""

from pathlib import Path

import numpy as np

from protocols.core.block import ArrayBlock
from protocols.core.table import AnalysisTable
from protocols.genomics import ancestry
from tests.lib.lying_coordinator import weaken
from tests.lib.overheard import overheard
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

VARIANTS = tuple(f"{1 + j // 20}:{1_000_000 * (1 + j % 20)}:A:G" for j in range(440))
PEOPLE, AT = 90, 7
"""People of each site, and the place of the one of another origin at the first."""


@attack(
    "RT15",
    "a person of another origin: which homozygote at each variant, from sums along components of genotypes",
    works_from=75,
    holds_to=60,
    undefended="a hospital sees a person's share of a component only when the next question bears it",
    slow=True,
)
def other_origin(folder: Path, weakened: bool) -> Figure:
    """By the first direction of all that the coordinator hears, whose sign tells two homozygotes apart."""
    rng = np.random.default_rng(5)
    frequency, hers = rng.uniform(0.3, 0.7, len(VARIANTS)), rng.choice([0.0, 2.0], len(VARIANTS))
    tables = {}
    for number, site in enumerate("abc"):
        copies = rng.binomial(2, frequency, (PEOPLE, len(VARIANTS))).astype(float)
        if number == 0:
            copies[AT] = hers
        persons = 10_000 * number + np.arange(PEOPLE)
        tables[site] = AnalysisTable(
            site, persons, {"age": rng.normal(60, 9, PEOPLE)}, blocks={"snps": ArrayBlock(VARIANTS, copies)}
        )
    spec = {"protocol": "ancestry", "variants": {"block": "snps"}, "components": 2}
    axis = tables["a"].blocks["snps"].axis.model_dump()
    study = a_study_of(
        ["age"],
        {"name": "a", "spec": spec},
        blocks={"snps": {"kind": "genotype", "variants": "listed", "axis": axis, "build": "GRCh38"}},
    )
    with weaken(ancestry, "LARGEST_SHARE", 1.0, weakened):
        held = overheard(folder, study, tables)
    heard = [
        (ask.arrays["at"], joined["sum"]["products"])
        for ask, joined in held.asked
        if ask.step == "along" and "sum" in joined
    ]
    if not heard:
        return Figure(50, "% of genotypes told, nothing is heard")
    at = heard[0][0]
    directions, *_ = np.linalg.svd(np.hstack([products for _, products in heard]), full_matrices=False)
    right = float(((directions[:, 0] > 0) == (hers[at] > 1)).mean())
    return Figure(100 * max(right, 1 - right), "% of genotypes told, 50 by chance")  # either sign is tried
