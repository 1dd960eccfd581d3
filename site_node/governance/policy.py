"""A site's policy: which protocols it answers, its floors of disclosure, and how much one study may ask."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocols import CATALOGUE
from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, InputError, SiteError
from protocols.core.protocol import protocol, specs_in
from protocols.core.study import Digits, Study
from site_node.governance import audit

FILE = "policy.toml"

Hold = Literal["none", "one", "two"]
_PEOPLE: dict[Hold, int] = {"none": 0, "one": 1, "two": 2}


@dataclass(frozen=True)
class BrokenRule:
    """A rule of the policy that a study breaks, and what would have to change."""

    text: str
    way_out: str


class Policy(BaseModel):
    """What this site is willing to do; the defaults are the shipped, strict ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    combinations: Literal["withhold", "allow"] = Field(
        default="withhold",
        description="whether answers that with earlier ones tell of fewer people than the floor are withheld",
    )
    plain_sums: bool = Field(
        default=False, description="whether this site's part of a sum may be seen by the coordinator"
    )

    requester_needed: bool = Field(
        default=True, description="whether a study must say who asks, from where and under which vote"
    )
    institutions: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="for a protocol, the institutions whose studies may run it; any, where it is not named",
    )

    two_persons: bool = Field(
        default=False, description="whether two persons have to approve a study, not one"
    )

    digits: Digits = Field(
        default="earned",
        description="full: results of studies that wish it bear all digits; earned: those of designs that "
        "can be enumerated are rounded",
    )

    hold: Hold = Field(
        default="none",
        description="how many different people look at an answer before it leaves, after the gate",
    )
    holds: dict[str, Hold] = Field(
        default_factory=dict, description="the same for a protocol, where it is not as for the others"
    )

    def people_who_look(self, study: Study) -> int:
        """How many people look at each answer of a study: the most that one of its protocols needs."""
        names = {spec.protocol for analysis in study.analyses for spec in specs_in(analysis.spec)}
        return max(_PEOPLE[self.holds.get(name, self.hold)] for name in names)

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
        if study.min_sites < self.min_sites:
            text = f"the study may run over {study.min_sites} sites; this site needs {self.min_sites}"
            found.append(
                BrokenRule(text, f"the requester sets min_sites: {self.min_sites}, or this site asks less")
            )
        return found

    def _is_from_admitted(self, study: Study, protocol: str) -> bool:
        admitted = self.institutions.get(protocol)
        return admitted is None or (study.requester is not None and study.requester.institution in admitted)

    def admit(self, study: Study) -> None:
        """Lets a study pass.

        Raises:
            SiteError: the policy does not admit it; the text names each rule.
        """
        if found := self.faults(study):
            raise SiteError(Code.REFUSED_BY_POLICY, "; ".join(found))


def read_policy(home: Path) -> Policy:
    """The policy of the site in `home`; the shipped one where it has none.

    Raises:
        InputError: a key is unknown, or a floor is below the shipped one.
    """
    path = home / FILE
    if not path.exists():
        return Policy()
    try:
        return Policy.model_validate(tomllib.loads(path.read_text()))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise InputError(Code.INVALID_INPUT, f"{FILE} is not valid: {error}") from None


def write_policy(home: Path, policy: Policy) -> None:
    """Writes the policy as TOML."""
    lines = [
        f"schema_version = {policy.schema_version}",
        f"max_rounds = {policy.max_rounds}",
        f"max_questions = {policy.max_questions}",
        f"max_alike = {policy.max_alike}",
        f"min_sites = {policy.min_sites}",
        f'combinations = "{policy.combinations}"',
        f"plain_sums = {str(policy.plain_sums).lower()}",
        f"requester_needed = {str(policy.requester_needed).lower()}",
        f"two_persons = {str(policy.two_persons).lower()}",
        f'digits = "{policy.digits}"',
        f'hold = "{policy.hold}"',
        "",
        "[protocols]",
        *(f'{name} = "{version}"' for name, version in policy.protocols.items()),
        "",
        "[institutions]",
        # JSON's strings and lists of them are TOML's
        *(f"{name} = {json.dumps(list(admitted))}" for name, admitted in policy.institutions.items()),
        "",
        "[holds]",
        *(f'{name} = "{hold}"' for name, hold in policy.holds.items()),
        "",
        "[thresholds]",
        *(f"{name} = {value}" for name, value in policy.thresholds.model_dump().items()),
    ]
    (home / FILE).write_text("\n".join(lines) + "\n")


def changed(home: Path, key: str, value: str, *, by: str = "") -> Policy:
    """The policy with one rule changed, written to the site's folder and to its audit.

    Raises:
        InputError: there is no such rule, or the value is not one that it takes.
    """
    content = read_policy(home).model_dump()
    *where, name = key.split(".")
    place = content
    for part in where:
        place = place.get(part, {}) if isinstance(place, dict) else {}
    if where in (["protocols"], ["institutions"], ["holds"]) and value == "off":
        place.pop(name, None)
    elif where == ["institutions"]:
        place[name] = [one.strip() for one in value.split(",") if one.strip()]
    elif name in place or where in (["protocols"], ["holds"]):
        place[name] = value
    else:
        raise InputError(Code.INVALID_INPUT, f"there is no rule {key!r}", "shadowgraph policy show")
    try:
        policy = Policy.model_validate(content)
    except ValidationError as error:
        raise InputError(Code.INVALID_INPUT, f"{key}: {error.errors()[0]['msg']}") from None
    write_policy(home, policy)
    audit.act(home, "policy-changed", by, rule=key, to=value)
    return policy
