"""RECIST 1.1: the response of a visit from the diameters of lesions, and the best one of a person.

Source: Eisenhauer et al., European Journal of Cancer 45 (2009) 228, tables 1 to 3. Millimetres throughout; a
lymph node counts by its short axis, any other lesion by its longest diameter.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Target = Literal["CR", "PR", "SD", "PD", "NE", "none"]
NonTarget = Literal["CR", "non-CR/non-PD", "PD", "NE", "none"]
Overall = Literal["CR", "PR", "SD", "non-CR/non-PD", "PD", "NE", "none"]

TOO_SMALL_MM = 5.0
"""What stands for a lesion that is seen and is too small to measure."""
NODE_GONE_MM, NODE_TARGET_MM = 10.0, 15.0
LEAST_MM, LEAST_ON_X_RAY_MM, THIN_SLICE_MM = 10.0, 20.0, 5.0
RISE, RISE_MM, FALL = 0.20, 5.0, 0.30
CONFIRMED_DAYS = 28
STABLE_DAYS = 42
_DIGITS_MM = 1e-9  # sums of decimals are not exact


@dataclass(frozen=True)
class Lesion:
    """A lesion that was there at the baseline."""

    name: str
    is_node: bool = False
    is_target: bool = True

    def is_gone(self, diameter_mm: float) -> bool:
        """Whether nothing pathological is left of it."""
        return diameter_mm < NODE_GONE_MM if self.is_node else diameter_mm <= 0.0


@dataclass(frozen=True)
class Visit:
    """What was seen on a day.

    Attributes:
        day: days from the index date.
        diameters_mm: by lesion; None, or no entry, where it was not measured. A lesion that is gone is 0.
        new_mm: by new lesion, those that are seen.
        unequivocal: whether a reader saw unequivocal progression of non-target lesions.
    """

    day: int
    diameters_mm: Mapping[str, float | None]
    new_mm: Mapping[str, float]
    unequivocal: bool = False


@dataclass(frozen=True)
class Assessed:
    """The response of one visit.

    Attributes:
        sum_mm: of the targets; None where one was not measured.
        nadir_mm: the smallest sum of the visits before, the baseline among them.
    """

    day: int
    sum_mm: float | None
    nadir_mm: float
    target: Target
    non_target: NonTarget
    new: bool
    overall: Overall


def is_measurable(longest_mm: float, slice_mm: float, *, on_x_ray: bool = False) -> bool:
    """Whether a lesion other than a node is measurable: 10 mm, or two slices where these are above 5 mm."""
    if on_x_ray:
        return longest_mm >= LEAST_ON_X_RAY_MM
    return longest_mm >= (2 * slice_mm if slice_mm > THIN_SLICE_MM else LEAST_MM)


def is_target_node(short_mm: float) -> bool:
    """Whether a node is large enough for a target; from 10 to 15 mm it is pathological and no target."""
    return short_mm >= NODE_TARGET_MM


def progressed(sum_mm: float, nadir_mm: float) -> bool:
    """Whether a sum lies a fifth, and 5 mm, above the smallest so far."""
    rise = sum_mm - nadir_mm
    return rise >= RISE * nadir_mm - _DIGITS_MM and rise >= RISE_MM - _DIGITS_MM


def of_targets(
    lesions: Sequence[Lesion], now_mm: Mapping[str, float | None], baseline_mm: float, nadir_mm: float
) -> Target:
    """Table 1's left column. Progression is asked first, also of those alone that were measured.

    Args:
        lesions: the targets; now_mm: their diameters; baseline_mm, nadir_mm: sums of the visits before.
    """
    if not lesions:
        return "none"
    known = {one: mm for one in lesions if (mm := now_mm.get(one.name)) is not None}
    total = sum(known.values())
    if progressed(total, nadir_mm):
        return "PD"
    if len(known) < len(lesions):
        return "NE"
    if all(one.is_gone(mm) for one, mm in known.items()):
        return "CR"
    return "PR" if total <= (1 - FALL) * baseline_mm + _DIGITS_MM else "SD"


def of_non_targets(
    lesions: Sequence[Lesion], now_mm: Mapping[str, float | None], *, unequivocal: bool
) -> NonTarget:
    """The lesions that are followed and not summed; their progression is what a reader says."""
    if unequivocal:
        return "PD"
    if not lesions:
        return "none"
    known = {one: mm for one in lesions if (mm := now_mm.get(one.name)) is not None}
    if len(known) < len(lesions):
        return "NE"
    return "CR" if all(one.is_gone(mm) for one, mm in known.items()) else "non-CR/non-PD"


def overall(target: Target, non_target: NonTarget, *, new: bool) -> Overall:
    """Tables 1 and 2: the response of a visit; `none` stands for no such lesions at the baseline."""
    if new or target == "PD" or non_target == "PD":
        return "PD"
    if target == "none":
        return non_target
    if target == "CR":
        return "CR" if non_target in ("CR", "none") else "PR"
    return target


def assess(lesions: Sequence[Lesion], baseline: Visit, visits: Iterable[Visit]) -> list[Assessed]:
    """The response of each visit after the baseline, in the order of their days.

    A new lesion stays one. After a complete response a mass that is there again is progression.

    Raises:
        ValueError: a target was not measured at the baseline.
    """
    targets = [one for one in lesions if one.is_target]
    others = [one for one in lesions if not one.is_target]
    at_baseline = _sum(targets, baseline)
    if at_baseline is None:
        raise ValueError("a target without a diameter at the baseline")
    nadir, new, was_complete = at_baseline, False, False
    found = []
    for visit in sorted(visits, key=lambda one: one.day):
        new = new or bool(visit.new_mm)
        target = of_targets(targets, visit.diameters_mm, at_baseline, nadir)
        if was_complete and any((visit.diameters_mm.get(one.name) or 0) > 0 for one in _masses(targets)):
            target = "PD"
        non_target = of_non_targets(others, visit.diameters_mm, unequivocal=visit.unequivocal)
        total = _sum(targets, visit)
        said = overall(target, non_target, new=new)
        found.append(Assessed(visit.day, total, nadir, target, non_target, new, said))
        nadir = nadir if total is None else min(nadir, total)
        was_complete = was_complete or target == "CR"
    return found


def _masses(lesions: Iterable[Lesion]) -> list[Lesion]:
    return [one for one in lesions if not one.is_node]


def _sum(targets: Iterable[Lesion], visit: Visit) -> float | None:
    found = [visit.diameters_mm.get(one.name) for one in targets]
    known = [mm for mm in found if mm is not None]
    return sum(known) if len(known) == len(found) else None


def best(
    responses: Sequence[tuple[int, Overall]],
    *,
    confirm: bool = True,
    confirmed_days: int = CONFIRMED_DAYS,
    stable_days: int = STABLE_DAYS,
) -> Overall:
    """Table 3: the best response up to the first progression.

    With `confirm` a complete or partial response counts if one at least as good follows, `confirmed_days`
    later or more, with nothing between them but visits that cannot be evaluated or are as good; else it is
    stable disease. Stable disease counts from `stable_days` after the baseline on.

    Args:
        responses: day from the baseline and response of each visit, in order.
    """
    until = next((at for at, (_, said) in enumerate(responses) if said == "PD"), len(responses))
    before = responses[:until]
    for wanted, as_good in (("CR", {"CR"}), ("PR", {"CR", "PR"})):
        if any(
            said in as_good and (not confirm or _is_confirmed(before[at:], as_good, confirmed_days))
            for at, (_, said) in enumerate(before)
        ):
            return "CR" if wanted == "CR" else "PR"
    stable = [said for day, said in before if said not in ("NE", "none") and day >= stable_days]
    if stable:
        return "non-CR/non-PD" if set(stable) == {"non-CR/non-PD"} else "SD"
    return "PD" if until < len(responses) else "NE"


def _is_confirmed(responses: Sequence[tuple[int, Overall]], as_good: set[str], days: int) -> bool:
    first = responses[0][0]
    for day, said in responses[1:]:
        if said in as_good and day - first >= days:
            return True
        if said not in as_good and said != "NE":
            return False
    return False
