"""How a study asks for tests of sets of rare variants."""

import re
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from protocols.core.axis import FromBlock
from protocols.core.errors import Code, SpecError
from protocols.core.spec import Spec
from protocols.core.table import Integers
from protocols.core.variables import Name
from protocols.genomics.gwas_spec import variant_names

MOST_COLUMNS = 300
"""Variants of one set that are tested together."""

SetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}$")]
_REGION = re.compile(r"^([1-9]|1\d|2[0-2]|X|Y|MT):([1-9]\d{0,9})-([1-9]\d{0,9})$")
Region = Annotated[str, Field(pattern=_REGION.pattern)]
"""Where a gene lies, CHROMOSOME:FIRST-LAST, both ends in it, on the build of the block."""


class RareVariantsSpec(Spec):
    """Which sets of variants with which outcome.

    Attributes:
        variants: a block of genotypes, whose list names them.
        genes: name -> region; no two have a base in common.
        pathways: name -> genes, whose variants are tested together.
        outcome: a numeric variable, or a 0/1 one for logistic.
        covariates: numeric variables of the model without variants.
        model: linear or logistic.
        max_frequency: of the rarer allele over all sites, above which a variant is in no set.
        min_call_rate: the share of the people that must have a genotype.
        weights: a variant's, as the density of Beta(a, b) at the frequency of its rarer allele.
    """

    protocol: Literal["rare_variants"] = "rare_variants"
    variants: FromBlock
    genes: Annotated[dict[SetName, Region], Field(min_length=1, max_length=2000)]
    pathways: dict[SetName, tuple[SetName, ...]] = Field(default_factory=dict, max_length=500)
    outcome: Name
    covariates: tuple[Name, ...] = Field(default=(), max_length=50)
    model: Literal["linear", "logistic"] = "linear"
    max_frequency: float = Field(default=0.05, gt=0, le=0.5)
    min_call_rate: float = Field(default=0.9, ge=0.5, le=1.0)
    weights: tuple[Annotated[float, Field(ge=0.1, le=100)], Annotated[float, Field(ge=0.1, le=100)]] = (1, 25)

    @model_validator(mode="after")
    def _is_possible(self) -> "RareVariantsSpec":
        if len(set(self.variables())) != len(self.variables()):
            raise ValueError("a variable is listed twice in outcome and covariates")
        if self.genes.keys() & self.pathways.keys():
            raise ValueError("a gene and a pathway have the same name")
        unknown = {gene for genes in self.pathways.values() for gene in genes} - self.genes.keys()
        if unknown or any(len(set(genes)) != len(genes) for genes in self.pathways.values()):
            raise ValueError(f"a pathway lists a gene twice or one without a region: {sorted(unknown)[:10]}")
        places = sorted((*_ends(region), name) for name, region in self.genes.items())
        for (chromosome, _, last, one), (other, first, _, two) in pairwise(places):
            if chromosome == other and first <= last:
                raise ValueError(
                    f"{one} and {two} overlap: the difference of their sums would be of few people; "
                    "end one where the other begins"
                )
        return self

    def variables(self) -> tuple[str, ...]:
        return (*self.covariates, self.outcome)

    def sets(self) -> dict[str, tuple[str, ...]]:
        """Every set and its genes."""
        return {**{gene: (gene,) for gene in self.genes}, **self.pathways}

    def members(self) -> dict[str, Integers]:
        """Gene -> the positions of its variants on the block's list, ascending.

        Raises:
            SpecError: unknown-variable; the list is not known here, or is not one of variants.
        """
        parts = [name.split(":") for name in variant_names(self.variants)]
        if any(len(part) != 4 for part in parts):
            raise SpecError(Code.UNKNOWN_VARIABLE, "the block's list of variants is not known here")
        chromosomes = np.array([part[0] for part in parts])
        bases = np.array([int(part[1]) for part in parts], dtype=np.int64)
        found = {}
        for gene, region in self.genes.items():
            chromosome, first, last = _ends(region)
            inside = (chromosomes == chromosome) & (bases >= first) & (bases <= last)
            found[gene] = np.flatnonzero(inside)
        return found


def _ends(region: str) -> tuple[str, int, int]:
    match = _REGION.match(region)
    assert match is not None  # the type of the field
    return match[1], int(match[2]), int(match[3])
