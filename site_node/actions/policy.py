"""What a person can do with this site's policy: look, change a rule, ask what it says of a study."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from site_node.governance import approvals
from site_node.governance.policy import Policy, changed, read_policy


@dataclass(frozen=True)
class PolicyView:
    """The policy in force, defaults included: each rule by its name in policy.toml."""

    rules: Mapping[str, object]
    schema_version: int = 1


@dataclass(frozen=True)
class Verdict:
    """What the policy says of a study; `faults` are the rules that it breaks."""

    study: str
    is_admitted: bool
    faults: tuple[str, ...]
    schema_version: int = 1


def shown(home: Path) -> PolicyView:
    """The policy in force."""
    return _view(read_policy(home))


def set_rule(home: Path, rule: str, value: str, *, by: str = "") -> PolicyView:
    """The policy with one rule changed.

    Args:
        rule: its name in policy.toml, such as `thresholds.min_count` or `protocols.cox`.
        value: the new value; of a protocol its version, or `off`.
        by: who decides; the Unix user, who is kept in any case, where it is empty.

    Raises:
        InputError: there is no such rule, the value is not valid, or a floor is below the shipped one.
    """
    return _view(changed(home, rule, value, by=by))


def explain(home: Path, study: str) -> Verdict:
    """The rules that a proposed study breaks, if any.

    Raises:
        InputError: no study in the inbox is called that, or more than one.
    """
    found = approvals.find(home, study)
    faults = tuple(read_policy(home).faults(found))
    return Verdict(found.name, not faults, faults)


def _view(policy: Policy) -> PolicyView:
    return PolicyView(policy.model_dump(mode="json"))
