"""How a study asks for a genome-wide scan."""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from protocols.core.axis import FromBlock
from protocols.core.spec import Spec
from protocols.core.table import Integers
from protocols.core.variables import Name
from protocols.estimation.moments import Intercepts


class GwasSpec(Spec):
    """Which variants with which outcomes.

    Attributes:
        variants: a block of genotypes, whose list names them.
        outcomes: numeric variables, each tested on its own.
        covariates: numeric variables in every model.
        intercepts: one for all, or one for each site (linear alone).
        model: linear, or logistic for one 0/1 outcome.
        min_minor_alleles: copies of the rarer allele, over all sites, below which a variant is not tested.
        min_call_rate: the share of the people that must have a genotype.
        linkage: whether one more round asks for products of two variants, for clumps, the plot of a region
            and LD scores.
    """

    protocol: Literal["gwas"] = "gwas"
    variants: FromBlock
    outcomes: tuple[Name, ...] = Field(min_length=1, max_length=100)
    covariates: tuple[Name, ...] = Field(default=(), max_length=100)
    intercepts: Intercepts = "common"
    model: Literal["linear", "logistic"] = "linear"
    min_minor_alleles: int = Field(default=20, ge=10)
    min_call_rate: float = Field(default=0.9, ge=0.5, le=1.0)
    linkage: bool = False

    @model_validator(mode="after")
    def _is_possible(self) -> "GwasSpec":
        names = self.variables()
        if len(set(names)) != len(names):
            raise ValueError("a variable is listed twice in outcomes and covariates")
        if self.model == "logistic" and (len(self.outcomes) > 1 or self.intercepts == "site"):
            raise ValueError("a logistic scan has one outcome and a common intercept")
        return self

    def variables(self) -> tuple[str, ...]:
        return (*self.covariates, *self.outcomes)

    def stands_on(self) -> tuple[str, ...]:
        return self.variables()

    def linear_in(self) -> tuple[str, ...]:
        return self.outcomes

    def scans_beside(self) -> tuple[str, ...]:
        return self.covariates


def all_variants(spec: GwasSpec) -> Integers:
    """The (v,) positions of all variants of a scan."""
    return np.arange(spec.variants.size, dtype=np.int64)


def variant_names(variants: FromBlock) -> tuple[str, ...]:
    """The names on the list of a block, without the block's."""
    return tuple(name.removeprefix(f"{variants.block}:") for name in variants.names())
