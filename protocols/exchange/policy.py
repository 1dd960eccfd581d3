"""What a site's policy admits, as the site tells it to the center: rules and numbers, and nothing of people.

The center says in its words which sites would refuse a study, and why, before anybody signs it. The site
decides by its own copy (`site_node/governance/policy.py`), whatever the center was told.
"""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from protocols import CATALOGUE
from protocols.core.disclosure import Thresholds
from protocols.core.protocol import protocol, specs_in
from protocols.core.study import Cells, Digits, Study


@dataclass(frozen=True)
class BrokenRule:
    """A rule of the policy that a study breaks, and what would have to change."""

    text: str
    way_out: str


class PublishedPolicy(BaseModel):
    """What a site is willing to do; the defaults are the shipped, strict ones."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: int = 1
    protocols: dict[str, str] = Field(
        default_factory=lambda: {name: protocol(name).version for name in sorted(CATALOGUE)},
        description="the protocols that may run here, each with its version",
    )
    thresholds: Thresholds = Field(default_factory=Thresholds)
    max_rounds: int = Field(default=100, ge=1, le=1000, description="messages of one run")
    max_questions: int = Field(default=2000, ge=1, description="questions in one message")
    max_alike: int = Field(
        default=100, ge=1, description="questions in one message that differ in their numbers alone"
    )
    min_sites: int = Field(default=3, ge=1, description="sites in a run, this one included")
    requester_needed: bool = Field(
        default=True, description="whether a study must say who asks, from where and under which vote"
    )
    institutions: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="for a protocol, the institutions whose studies may run it; any, where it is not named",
    )

    digits: Digits = Field(
        default="earned",
        description="full: results of studies that wish it bear all digits; earned: those of designs that "
        "can be enumerated are rounded",
    )

    cells: Cells = Field(
        default="coarse",
        description="coarse: tables, life tables and trees are asked with cells of enough people only; "
        "exact: a study may ask, in sums over sites, for cells of few",
    )

    def digits_of(self, study: Study) -> Digits:
        """What this site lets a study's results bear: all digits, where both want it."""
        return "full" if self.digits == study.digits == "full" else "earned"

    def faults(self, study: Study) -> list[str]:
        """Why this policy does not admit a study, rule by rule; empty if it does."""
        return [one.text for one in self.broken(study)]

    def broken(self, study: Study) -> list[BrokenRule]:
        """The rules that a study breaks, each with the way out; empty if this policy admits it."""
        found = []
        for analysis in study.analyses:
            for spec in specs_in(analysis.spec):
                allowed = self.protocols.get(spec.protocol)
                version = protocol(spec.protocol).version
                where, rule = f"{analysis.name}: ", f"protocols.{spec.protocol}"
                if allowed is None:
                    text = f"protocol {spec.protocol!r} is not in this site's policy"
                    found.append(BrokenRule(where + text, f"admit it: {rule} = {version}"))
                elif allowed != version:
                    text = f"{spec.protocol!r} is admitted in version {allowed} only"
                    found.append(BrokenRule(where + text, f"admit this version: {rule} = {version}"))
                elif not self._is_from_admitted(study, spec.protocol):
                    text = f"{spec.protocol!r} is admitted for other institutions"
                    found.append(BrokenRule(where + text, f"add this one: institutions.{spec.protocol}"))
        if self.requester_needed and study.requester is None:
            text = "the study does not say who asks: name, institution and ethics vote (`requester`)"
            found.append(BrokenRule(text, "the requester fills it in and submits the study anew"))
        if study.cells == "exact" and self.cells == "coarse":
            text = "the study asks for cells of few people as they are (`cells: exact`)"
            found.append(BrokenRule(text, "the requester leaves it out, or this site sets cells to exact"))
        if study.min_sites < self.min_sites:
            text = f"the study may run over {study.min_sites} sites; this site needs {self.min_sites}"
            found.append(
                BrokenRule(text, f"the requester sets min_sites: {self.min_sites}, or this site asks less")
            )
        return found

    def _is_from_admitted(self, study: Study, protocol: str) -> bool:
        admitted = self.institutions.get(protocol)
        return admitted is None or (study.requester is not None and study.requester.institution in admitted)
