"""The grid of a landmark analysis: how its intervals are joined, and where people are too few."""

import numpy as np

from protocols.core.cells import last_of_runs, parts
from protocols.core.errors import Code, SpecError, StudyError
from protocols.core.protocol import Total
from protocols.core.table import Floats, Integers
from protocols.core.wording import listed
from protocols.survival.landmarking_result import at_landmarks
from protocols.survival.landmarking_spec import LandmarkingSpec
from protocols.survival.life_table import runs


def window(spec: LandmarkingSpec, number: int, last: Integers) -> tuple[Floats, Integers]:
    """The (k + 1,) days since a landmark at which runs of its window end, from 0, and the (k,) intervals."""
    begin, end = spec.begins()[number], spec.ends()[number]
    ends = np.unique(last[begin:end])
    return np.append(0.0, spec.edges()[ends + 1] - spec.edges()[begin]), ends


def check_runs(spec: LandmarkingSpec, last: Integers) -> None:
    """Raises unless (bins,) `last` are runs of the grid, which windows that begin or end always part.

    Raises:
        SpecError: invalid-study.
    """
    ends, _ = runs(last, len(spec.edges()) - 1)
    if not {end - 1 for _, end in spec.stretches()} <= set(ends.tolist()):
        raise SpecError(Code.INVALID_STUDY, "these intervals do not end where the windows do")


def joined_runs(spec: LandmarkingSpec, found: Total) -> Integers:
    """The (bins,) last intervals of runs in which enough people leave.

    Raises:
        StudyError: withheld; too few people leave between two days, stay, have the event, or differ.
    """
    last, at = [], 0
    days = spec.edges() + spec.landmarks[0]
    for a, b in spec.stretches():
        floors = np.asarray(found["enough"][at : at + parts(b - a)])
        at += parts(b - a)
        if floors[0] < found.over_all:
            raise _withheld(
                f"leave between day {days[a]:g} and day {days[b]:g}", found, "choose days farther apart"
            )
        last.append(a + last_of_runs(floors, found.over_all))
    if found["beyond"] < found.over_all:
        raise _withheld(f"are followed beyond day {days[-1]:g}", found, "choose earlier landmarks")
    for number, day in enumerate(spec.landmarks):
        if found["with_event"][number] < found.floors:
            raise _withheld(
                f"have an event of {spec.outcome} within {spec.window_days} days of day {day}",
                found,
                "use a longer window, or remove the landmark",
            )
        both = [np.asarray(found[name][number]) for name in ("not_zero", "not_one", "apart")]
        if few := np.flatnonzero((np.array(both) < found.floors).any(axis=0)).tolist():
            names = listed([spec.covariates[j] for j in few])
            raise _withheld(f"differ from the rest in {names} on day {day}", found, "remove them, or the day")
    return np.concatenate(last)


def _withheld(what: str, found: Total, fix: str) -> StudyError:
    return StudyError(Code.WITHHELD, f"fewer than {found.min_count} people {what}", fix)


def check_people(spec: LandmarkingSpec, counts: Total, last: Integers) -> None:
    """Raises unless people are enough at each landmark, of (bins,) runs, and for so many training sets.

    `protocols/validation/out_of_fold.py` says how many these are.

    Raises:
        StudyError: withheld.
    """
    needed = counts.min_count * spec.folds
    if counts["n"] < needed:
        raise StudyError(
            Code.WITHHELD,
            f"{int(counts['n'])} people are too few for so many folds",
            f"use fewer folds; these need {needed} people",
        )
    at_risk, events = at_landmarks(spec, counts.arrays, last)
    for day, here, died in zip(spec.landmarks, at_risk, events, strict=True):
        if here < counts.min_count or died < counts.min_count:
            raise _withheld(
                f"are followed on day {day}, or have an event of {spec.outcome} in its window",
                counts,
                "use a longer window, or remove the landmark",
            )
