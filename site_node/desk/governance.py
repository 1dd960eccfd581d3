"""What pages ask about what left the site, its audit, its policy, and the other sites."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from protocols.core.errors import ShadowgraphError
from protocols.runtime.audit_chain import AuditLine
from site_node.actions import audit as audits
from site_node.actions import peers as all_peers
from site_node.actions import policy as policies
from site_node.actions.peers import Peers
from site_node.actions.policy import PolicyView
from site_node.governance import approvals, ledger, proposed
from site_node.governance import audit as audit_file
from site_node.governance.policy import Policy, read_policy
from site_node.home.config import load

MOST_LINES = 1000
HIDDEN = ("schema_version",)
FLOORS = {
    "min_count": "people of whom a number in the clear speaks, at least",
    "min_count_in_sum": "people of this site in a sum over sites, at least",
    "min_sites_in_sum": "sites in a sum, at least",
    "max_parameters_per_person": "numbers of a model per person, at most",
}


@dataclass(frozen=True)
class LeftAnswer:
    """An answer that left: the name of its study, and the answer's place, size and digest.

    Attributes:
        lines: one per question: the way and the shape of each array, or the code with which it was withheld.
    """

    name: str
    study: str
    run: str
    round: int
    bytes: int
    sha256: str
    answered_at: datetime
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LeftAnswers:
    """What left, the newest first."""

    answers: tuple[LeftAnswer, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class AuditPage:
    """The newest lines of the audit, the newest first; why its chain is not whole, or ""."""

    lines: tuple[AuditLine, ...]
    fault: str
    schema_version: int = 1


@dataclass(frozen=True)
class PolicyRule:
    """A rule by its name in policy.toml: its value, the shipped one, and what it means."""

    rule: str
    value: str
    shipped: str
    means: str


@dataclass(frozen=True)
class PolicyPage:
    """The rules, and the waiting studies that they do not admit: name -> the rules that it breaks."""

    rules: tuple[PolicyRule, ...]
    refused: Mapping[str, tuple[str, ...]]
    schema_version: int = 1


def left(home: Path) -> LeftAnswers:
    """Every answer that left, with the name of its study, and what was in it as the audit has it."""
    said = {
        line["sha256"]: tuple(map(_line, line.get("left", ())))
        for line in audit_file.lines(home)
        if line["event"] == "answered"
    }
    names = {one.hash: one.name for one in proposed.inbox(home)}
    found = [
        LeftAnswer(
            names.get(one.study, ""),
            one.study,
            one.run,
            one.round,
            one.bytes,
            one.sha256,
            one.answered_at,
            said.get(one.sha256, ()),
        )
        for one in ledger.released(home)
    ]
    return LeftAnswers(tuple(reversed(found)))


def _line(one: Mapping[str, Any]) -> str:
    """What one question let out: its arrays with their shapes, or why it was withheld."""
    if "code" in one:
        return f"{one['question']}: withheld ({one['code']})"
    arrays = (f"{name} [{' x '.join(map(str, shape)) or 1}]" for name, shape in one["arrays"].items())
    return f"{one['question']}, {one['way']}: {', '.join(arrays)}"


def audit(home: Path) -> AuditPage:
    """The newest lines, and whether the chain is whole."""
    try:
        audits.verify(home)
        fault = ""
    except ShadowgraphError as error:
        fault = error.text
    return AuditPage(tuple(reversed(audits.shown(home, last=MOST_LINES).lines)), fault)


def policy(home: Path) -> PolicyPage:
    """The rules beside the shipped ones, and what they would do to the studies that wait."""
    here, shipped = read_policy(home), Policy()
    now, before = _flat(here.model_dump(mode="json")), _flat(shipped.model_dump(mode="json"))
    rules = [
        PolicyRule(name, now.get(name, "off"), before.get(name, "off"), _means(name)) for name in now | before
    ]
    waiting = [one for one in proposed.inbox(home) if one.waits]
    faults = {one.name: tuple(here.faults(approvals.find(home, one.hash))) for one in waiting}
    return PolicyPage(tuple(rules), {name: found for name, found in faults.items() if found})


def set_rule(home: Path, rule: str, value: str, *, by: str = "") -> PolicyView:
    """The policy with one rule changed.

    Raises:
        InputError: there is no such rule, the value is not valid, or a floor is below the shipped one.
    """
    return policies.set_rule(home, rule, value, by=by)


def peers(home: Path) -> Peers:
    """The other sites whose keys were proposed here."""
    return all_peers.listed(home)


def confirm_peer(home: Path, site: str, fingerprint: str, *, by: str = "") -> Peers:
    """The other sites, after this one said that it compared the fingerprint of one.

    Raises:
        InputError: no key was proposed for that site, or it has another fingerprint.
    """
    return all_peers.confirm(home, {site: fingerprint}, out=_statements(home), by=by)


def remove_peer(home: Path, site: str, *, by: str = "") -> Peers:
    """The other sites, after this one said that the key of one no longer counts.

    Raises:
        InputError: no such site is known here.
    """
    return all_peers.remove(home, site, out=_statements(home), by=by)


def _statements(home: Path) -> Path:
    settings = load(home)
    return settings.home / f"{settings.name}.statements.json"


def _flat(content: Mapping[str, object], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        elif name not in HIDDEN:
            found[before + name] = _text(value)
    return found


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _means(rule: str) -> str:
    top, _, inner = rule.partition(".")
    field = Policy.model_fields[top]
    if top == "thresholds":
        return FLOORS.get(inner, "")
    return field.description or ""
