"""The verdict on a link: robust, consistent and coherent, each by a number and a rule that nobody sets.

No rule reads a p-value, and none has a setting. All intervals are simultaneous over the links of the study,
every adjustment, every hospital and every companion that the study names must agree, and the sign was stated
before. So looking in more ways makes a verdict harder to reach and not easier:

robust      the smallest effect under any adjustment is at least half of the largest, and each interval
            lies on the expected side
consistent  at least 97.5 % of hospitals have an effect of the expected sign, by the effect and the
            variance between hospitals; the interval without any one hospital lies on that side; and so
            does that of the hospitals which were held out, if there are any
coherent    the sign is the expected one, each other gene of the pathway has it too, and in the control's
            tissue the effect is less than half as large

References: Mathur & VanderWeele, Stat Med 38 (2019) 1336, for the share of hospitals; Bradford Hill, Proc R
Soc Med 58 (1965) 295, for coherence; Lipsitch et al., Epidemiology 21 (2010) 383, for negative controls.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import norm

from protocols.estimation.meta_analysis import Synthesis

KEPT = 0.5
"""The share of the largest effect that the smallest must keep, and that a control's must stay below."""

SAME_SIGN = 0.975
"""The least share of hospitals with an effect of the expected sign."""

FEWEST_SITES = 3
"""Hospitals below which nothing is said of how they agree."""

Verdict = Literal["supported", "not supported", "not judged"]


@dataclass(frozen=True)
class Judged:
    """One part of a verdict: its number, NaN where not known, and whether it holds; None: not judged."""

    number: float
    holds: bool | None


NOT_JUDGED = Judged(float("nan"), None)


@dataclass(frozen=True)
class Companion:
    """A pair that a link names beside its own: of its pathway, or the control's.

    Attributes:
        pair: feature and outcome in words; kind: which of the two.
        effect: over the hospitals, as Fisher's z; None where too few show it.
        holds: whether it is as the link lets expect; None where not known.
    """

    pair: str
    kind: Literal["pathway", "control"]
    effect: Synthesis | None
    holds: bool | None


def robust(sign: int, by_model: Mapping[str, Synthesis | None]) -> Judged:
    """Whether the effect survives every adjustment; its number is the smallest over the largest."""
    found = [effect for effect in by_model.values() if effect is not None]
    if len(found) < len(by_model) or len(found) < 2:
        return NOT_JUDGED
    along = [sign * effect.effect for effect in found]
    kept = min(along) / max(along) if max(along) > 0 else 0.0
    return Judged(kept, kept >= KEPT and all(_beyond(sign, effect) for effect in found))


def consistent(
    sign: int,
    effect: Synthesis | None,
    left_out: Sequence[Synthesis | None],
    replication: Synthesis | None,
    *,
    held_out: bool,
) -> Judged:
    """Whether hospitals agree; its number is the share of them with an effect of the expected sign.

    Args:
        left_out: the effect without each hospital in turn.
        replication: that of hospitals which were held out, where there are such.
    """
    if effect is None or effect.k < FEWEST_SITES:
        return NOT_JUDGED
    tau = np.sqrt(effect.tau2)
    along = sign * effect.effect
    share = float(norm.cdf(along / tau)) if tau > 0 else float(along > 0)
    holds = share >= SAME_SIGN and all(one is not None and _beyond(sign, one) for one in left_out)
    if held_out and replication is None:
        return Judged(share, None if holds else False)
    return Judged(share, holds and (replication is None or _beyond(sign, replication)))


def coherent(sign: int, effect: Synthesis | None, companions: Sequence[Companion]) -> Judged:
    """Whether sign, pathway and tissue fit; its number is the share of these checks that hold."""
    if effect is None or not companions:
        return NOT_JUDGED
    checks = [_beyond(sign, effect), *(one.holds for one in companions)]
    known = [check for check in checks if check is not None]
    share = sum(known) / len(checks)
    return Judged(share, False if not all(known) else True if len(known) == len(checks) else None)


def is_of_pathway(sign: int, effect: Synthesis | None) -> bool | None:
    """Whether another gene of the pathway has the link's sign."""
    return None if effect is None else sign * effect.effect > 0


def is_of_tissue(own: Synthesis | None, control: Synthesis | None) -> bool | None:
    """Whether the control's effect is less than half of the link's own."""
    if own is None or control is None:
        return None
    return abs(control.effect) < KEPT * abs(own.effect)


def verdict(parts: Sequence[Judged]) -> Verdict:
    """Supported where all parts hold; not where one does not."""
    if any(part.holds is False for part in parts):
        return "not supported"
    return "supported" if all(part.holds for part in parts) else "not judged"


def _beyond(sign: int, effect: Synthesis) -> bool:
    """Whether the interval lies on the expected side of 0."""
    return (effect.lower if sign > 0 else -effect.upper) > 0
