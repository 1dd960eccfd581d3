"""A site's policy: which protocols it answers, its floors of disclosure, and how much one study may ask."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, ValidationError

from protocols.core.errors import Code, InputError, SiteError
from protocols.core.protocol import specs_in
from protocols.core.study import Study
from protocols.exchange.policy import BrokenRule, PublishedPolicy
from protocols.validation.model_risk import MOST, gates
from site_node.governance import audit

FILE = "policy.toml"
_GATED = "this site lets such a model leave only `after` a `model_risk` of the same model"

Hold = Literal["none", "one", "two"]
_PEOPLE: dict[Hold, int] = {"none": 0, "one": 1, "two": 2}


class Policy(PublishedPolicy):
    """What this site is willing to do, with the rules that are nobody else's business."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    combinations: Literal["withhold", "allow"] = Field(
        default="withhold",
        description="whether answers that with earlier ones tell of fewer people than the floor are withheld",
    )
    numbers_per_person: float = Field(
        default=0.33,
        gt=0,
        le=1000,
        description="how many numbers may be published about each person, over all studies, of models and "
        "tables of variables whose values can be listed",
    )
    plain_sums: bool = Field(
        default=False, description="whether this site's part of a sum may be seen by the coordinator"
    )

    two_persons: bool = Field(
        default=False, description="whether two persons have to approve a study, not one"
    )

    model_gate: tuple[str, ...] = Field(
        default=(), description="the protocols whose models leave only after attacks on them (`model_risk`)"
    )
    model_risk: float = Field(
        default=MOST,
        gt=0,
        le=0.5,
        description="of the members of such a model, the most who may be found at 1 % false positives",
    )
    hold: Hold = Field(
        default="none",
        description="how many different people look at an answer before it leaves, after the gate",
    )
    holds: dict[str, Hold] = Field(
        default_factory=dict, description="the same for a protocol, where it is not as for the others"
    )

    privacy_epsilon: float = Field(
        default=3.0,
        gt=0,
        description="differential privacy that each person may spend, over all studies with noise",
    )
    privacy_delta: float = Field(
        default=1e-5, gt=0, lt=1, description="the delta at which that epsilon is reckoned"
    )

    def people_who_look(self, study: Study) -> int:
        """How many people look at each answer of a study: the most that one of its protocols needs."""
        names = {spec.protocol for analysis in study.analyses for spec in specs_in(analysis.spec)}
        return max(_PEOPLE[self.holds.get(name, self.hold)] for name in names)

    def published(self) -> PublishedPolicy:
        """The part that the center is told, so that a study says before it is signed who would refuse it."""
        return PublishedPolicy.model_validate(self.model_dump())

    def broken(self, study: Study) -> list[BrokenRule]:
        found = [BrokenRule(f"{name}: {_GATED}", self._way_through()) for name in self._not_gated(study)]
        return super().broken(study) + found

    def _not_gated(self, study: Study) -> Iterator[str]:
        """The analyses whose model would leave without attacks on it, though this site requires them."""
        for analysis in study.analyses:
            before = [study.analysis(name).spec for name in analysis.after]
            wanted = analysis.spec.protocol in self.model_gate
            if wanted and not gates(before, analysis.spec, self.model_risk):
                yield analysis.name

    def _way_through(self) -> str:
        return f"a `model_risk` of the same model, with `most: {self.model_risk}`, and the model `after` it"

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
        f"numbers_per_person = {policy.numbers_per_person!r}",
        f"plain_sums = {str(policy.plain_sums).lower()}",
        f"requester_needed = {str(policy.requester_needed).lower()}",
        f"two_persons = {str(policy.two_persons).lower()}",
        f'digits = "{policy.digits}"',
        f'cells = "{policy.cells}"',
        f"privacy_epsilon = {policy.privacy_epsilon!r}",
        f"privacy_delta = {policy.privacy_delta!r}",
        f'hold = "{policy.hold}"',
        f"model_gate = {json.dumps(list(policy.model_gate))}",
        f"model_risk = {policy.model_risk}",
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
    elif where == ["institutions"] or key == "model_gate":
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
