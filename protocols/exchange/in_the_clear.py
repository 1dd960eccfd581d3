"""The closed list of steps that may leave one site in the clear. All others leave in a sum over sites.

A question says itself which way it wants its answer, so without this list the coordinator of an approved
study could see each site's part of any sum in it.
"""

from collections.abc import Callable

from protocols.core.protocol import Spec
from protocols.validation.schemes import BySite, External


def _where_the_study_says_so(spec: Spec) -> bool:
    return getattr(spec, "per_site", False) is True


def _where_sites_are_left_out(spec: Spec) -> bool:
    return isinstance(getattr(spec, "scheme", None), BySite | External)


def _always(spec: Spec) -> bool:
    return True


def _where_a_reference_is_named(spec: Spec) -> bool:
    return getattr(spec, "reference_site", None) is not None


STEPS: dict[tuple[str, str], Callable[[Spec], bool]] = {
    ("attrition", "count"): _where_the_study_says_so,
    ("combat", "reference"): _where_a_reference_is_named,
    ("decision_curve", "classes"): _where_sites_are_left_out,
    ("discrimination", "classes"): _where_sites_are_left_out,
    ("discrimination", "left_out"): _where_sites_are_left_out,
    ("mixed", "moments"): _always,  # its variance between sites needs each site's own moments; it says so
    ("summary", "here"): _where_the_study_says_so,
    ("survival_decision_curve", "classes"): _where_sites_are_left_out,
    ("survival_validation", "classes"): _where_sites_are_left_out,
    ("survival_validation", "left_out"): _where_sites_are_left_out,
}
"""(protocol, step) -> whether an analysis of this spec asks it so."""


def may_leave_in_the_clear(spec: Spec, step: str) -> bool:
    """Whether an approved analysis asks this step of each site for itself."""
    asks_so = STEPS.get((spec.protocol, step))
    return asks_so is not None and asks_so(spec)
