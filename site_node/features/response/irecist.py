"""iRECIST: progression under immunotherapy counts once a later visit confirms it.

Source: Seymour et al., Lancet Oncology 18 (2017) e143. The response of a visit by RECIST 1.1 is the start.
"""

from collections.abc import Sequence
from typing import Literal

from site_node.features.response.recist import RISE_MM, Assessed, Visit, progressed

Immune = Literal["iCR", "iPR", "iSD", "inon-CR/non-PD", "iUPD", "iCPD", "NE", "none"]

_WORD: dict[str, Immune] = {
    "CR": "iCR", "PR": "iPR", "SD": "iSD", "non-CR/non-PD": "inon-CR/non-PD", "NE": "NE", "none": "none",
}  # fmt: skip
_DIGITS_MM = 1e-9


def immune(visits: Sequence[Visit], assessed: Sequence[Assessed]) -> list[Immune]:
    """The response of each visit; after a confirmed progression it stays so.

    A progression is unconfirmed (iUPD) until the next visit that can be evaluated. There it is confirmed by
    5 mm more of the sum or of the new lesions, by one more new lesion, by unequivocal progression seen
    again, or by a kind of progression (targets, others, new lesions) that was not there before. Where the
    sum has come back below the bound of progression, and nothing else speaks for it, the bar is reset: the
    visit counts as what it is, and a progression has to be confirmed anew.

    Args:
        visits, assessed: of equal length and in order, as `recist.assess` takes and gives them.
    """
    said: list[Immune] = []
    pending: tuple[Visit, Assessed] | None = None
    known_new: set[str] = set()
    for visit, now in zip(visits, assessed, strict=True):
        if said and said[-1] == "iCPD":
            said.append("iCPD")
            continue
        if pending is not None and now.target == "NE" and not visit.new_mm and now.non_target != "PD":
            said.append("NE")
            continue
        if pending is not None and _confirms(pending, visit, now):
            said.append("iCPD")
            continue
        by_target = now.target == "PD"
        still_new = bool(visit.new_mm) and (pending is not None or not set(visit.new_mm) <= known_new)
        if by_target or now.non_target == "PD" or still_new:
            pending = pending or (visit, now)  # later visits are compared with the first
            said.append("iUPD")
        else:
            pending = None
            said.append(_without_new(now))
        known_new |= set(visit.new_mm)
    return said


def _confirms(pending: tuple[Visit, Assessed], visit: Visit, now: Assessed) -> bool:
    before, then = pending
    if now.target == "PD" and then.target != "PD":
        return True
    if now.non_target == "PD":
        return True
    if set(visit.new_mm) - set(before.new_mm):
        return True
    if _rises(sum(before.new_mm.values()), sum(visit.new_mm.values())) and before.new_mm:
        return True
    return (
        then.target == "PD"
        and then.sum_mm is not None
        and now.sum_mm is not None
        and progressed(now.sum_mm, then.nadir_mm)
        and _rises(then.sum_mm, now.sum_mm)
    )


def _rises(before_mm: float, now_mm: float) -> bool:
    return now_mm - before_mm >= RISE_MM - _DIGITS_MM


def _without_new(now: Assessed) -> Immune:
    """What the visit is by its lesions of the baseline alone."""
    if now.target == "none":
        return _WORD[now.non_target]
    if now.target == "CR":
        return "iCR" if now.non_target in ("CR", "none") else "iPR"
    return _WORD[now.target]
