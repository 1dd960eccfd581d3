"""Links between an image and a genome, each with the sign that its mechanism lets expect."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.core.variables import Name

Sign = Literal["negative", "positive"]
MechanismName = Literal[
    "diffusion_proliferation", "blood_volume_angiogenesis", "permeability_angiogenesis", "r2star_hypoxia"
]


@dataclass(frozen=True)
class Mechanism:
    """Why a feature goes with a gene: the sign, in words, and the source."""

    sign: Sign
    words: str
    source: str


MECHANISMS: dict[MechanismName, Mechanism] = {
    "diffusion_proliferation": Mechanism(
        "negative",
        "cells that divide lie densely and hinder diffusion: ADC falls as MKI67 rises",
        "Surov, Meyer & Wienke, Oncotarget 8 (2017) 75434",
    ),
    "blood_volume_angiogenesis": Mechanism(
        "positive",
        "VEGFA makes vessels, which hold blood: rCBV rises with it",
        "Maia et al., AJNR 26 (2005) 777",
    ),
    "permeability_angiogenesis": Mechanism(
        "positive",
        "VEGFA opens the walls of vessels: Ktrans rises with it",
        "Senger et al., Science 219 (1983) 983",
    ),
    "r2star_hypoxia": Mechanism(
        "positive",
        "deoxyhaemoglobin dephases the signal: R2* rises with a score of hypoxia",
        "Hoskin et al., Int J Radiat Oncol 68 (2007) 1065",
    ),
}
"""Links that are known, so that nobody chooses their sign by what was found."""


class Link(BaseModel):
    """One link, stated before anything is looked at.

    Attributes:
        feature, outcome: numeric variables, of the image and of the genome.
        mechanism: one that is known, which says the sign; or
        sign: the one that is expected.
        pathway: other genes (or scores) of the same pathway, expected to have the same sign.
        control: the same feature of another tissue, which should not go with the outcome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: Name
    outcome: Name
    mechanism: MechanismName | None = None
    sign: Sign | None = None
    pathway: tuple[Name, ...] = Field(default=(), max_length=20)
    control: Name | None = None

    @model_validator(mode="after")
    def _expects_one_sign(self) -> "Link":
        if (self.mechanism is None) == (self.sign is None):
            raise ValueError("a link has a `mechanism` that is known, or the `sign` that is expected")
        if len(set(self.variables())) != len(self.variables()):
            raise ValueError("a variable is listed twice in a link")
        return self

    def variables(self) -> tuple[str, ...]:
        """All that it reads."""
        return (self.feature, self.outcome, *self.pathway, *([self.control] if self.control else []))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Feature and outcome of the link, then of each of its pathway, then of the control."""
        pathway = [(self.feature, gene) for gene in self.pathway]
        control = [(self.control, self.outcome)] if self.control else []
        return ((self.feature, self.outcome), *pathway, *control)

    def expected(self) -> int:
        """-1 or 1."""
        sign = MECHANISMS[self.mechanism].sign if self.mechanism else self.sign
        return 1 if sign == "positive" else -1
