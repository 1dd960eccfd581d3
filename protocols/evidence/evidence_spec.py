"""How a study asks what a link can be believed of."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from protocols.core.axis import FromBlock
from protocols.core.spec import Spec, WantedKind
from protocols.core.table import AnalysisTable, Mask
from protocols.core.variables import Name
from protocols.evidence.links import Link
from protocols.preparation.batches import batch_codes, estimable
from protocols.preparation.combat import CombatSpec

ALONE, CONFOUNDERS, SCANNERS, HARMONIZED = "none", "confounders", "scanners", "harmonization"
"""The adjustments, in their order; each has those before it too, but harmonization has no scanners."""


class EvidenceSpec(Spec):
    """Links that are stated before anything is looked at, and what they must survive.

    Attributes:
        links: name -> feature, outcome, expected sign, pathway and control.
        confounders: numeric variables that could make a link.
        scanner: the label of a scanner within each hospital.
        harmonize: ComBat of features over that scanner, whose result is a further adjustment.
        held_out: hospitals that take no part in the estimates, and replicate them.
    """

    protocol: Literal["evidence"] = "evidence"
    links: Annotated[dict[Name, Link], Field(min_length=1, max_length=50)]
    confounders: tuple[Name, ...] = Field(default=(), max_length=50)
    scanner: Name | None = None
    harmonize: CombatSpec | None = None
    held_out: tuple[str, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _is_possible(self) -> "EvidenceSpec":
        given = [*self.confounders, *([self.scanner] if self.scanner else [])]
        both = {name for link in self.links.values() for name in link.variables()} & {*given}
        if both or len(set(given)) != len(given):
            raise ValueError("a variable is listed twice in links, confounders and scanner")
        if len({link.pairs()[0] for link in self.links.values()}) != len(self.links):
            raise ValueError("two links have the same feature and outcome")
        if self.harmonize is None:
            return self
        if isinstance(self.harmonize.features, FromBlock) or self.harmonize.reference_site is not None:
            raise ValueError("`harmonize` lists its features and has no `reference_site`")
        if self.scanner is None or self.harmonize.batch != self.scanner:
            raise ValueError("`harmonize` has the `scanner` as its `batch`")
        return self

    def variables(self) -> tuple[str, ...]:
        of_links = (name for link in self.links.values() for name in link.variables())
        last = (
            *([self.scanner] if self.scanner else []),
            *(self.harmonize.variables() if self.harmonize else ()),
        )
        return tuple(dict.fromkeys((*of_links, *self.confounders, *last)))

    def of_whom(self, table: AnalysisTable) -> Mask:
        """The (n,) people here who are in every estimate: of a scanner of enough, as ComBat has no others."""
        kept = table.present(table.read_of(self.variables()))
        return kept & (estimable(batch_codes(table, self.scanner), kept) >= 0) if self.scanner else kept

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        if self.harmonize:  # which is audited as over everybody; both are about the same people
            yield from super().sets_of_people(table)
        else:
            yield self.variables(), self.of_whom(table)

    def wanted(self) -> Mapping[str, WantedKind]:
        return {self.scanner: "label"} if self.scanner else {}

    def numbers(self) -> tuple[str, ...]:
        """The variables that are numbers."""
        return tuple(name for name in self.variables() if name != self.scanner)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every feature and outcome that is estimated, of links, pathways and controls; each once."""
        return tuple(dict.fromkeys(pair for link in self.links.values() for pair in link.pairs()))

    def before_harmonization(self) -> tuple[str, ...]:
        """The adjustments of the columns as they are."""
        beside = [CONFOUNDERS] if self.confounders else []
        return (ALONE, *beside, *([SCANNERS] if self.scanner else []))

    def models(self) -> tuple[str, ...]:
        """All adjustments."""
        return (*self.before_harmonization(), *([HARMONIZED] if self.harmonize else []))
