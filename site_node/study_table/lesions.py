"""The lesions of people at each visit, from the CDM, and what RECIST 1.1 says of them.

A diameter is the feature `lesion_long_axis` or `lesion_short_axis` of a region, which the site's engine
computes where its settings ask for `lesion_axes`; or a reader's number in mm in a column `recist_REGION` of a
file of readings with dates, where 0 says that the lesion is gone and 5 that it is too small to measure. A
reader's number counts before a computed one of the same day. Unequivocal progression of non-target lesions is
what a reader says with 1 in a column `recist_progression`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cdm.etl.fhir.words.dates import DAY_NOT_KNOWN
from cdm.etl.imaging.image_feature import radiomic_name, stored_name
from cdm.schema import measurement
from protocols.core.variables.imaging import Response
from site_node.features.arrays import Floats
from site_node.features.radiomics.lesion import LONG, SHORT, SLICES
from site_node.features.response.recist import (
    CONFIRMED_DAYS,
    NODE_GONE_MM,
    STABLE_DAYS,
    Assessed,
    Lesion,
    Overall,
    Visit,
    assess,
    best,
    is_measurable,
    is_target_node,
)
from site_node.study_table.codes import MEASUREMENT
from site_node.study_table.people import People, as_days, as_numbers

VISIT_DAYS = 7
"""Images within so many days of the first are one visit, which is dated by its last image."""
PROGRESSION = "recist_progression"
RESPONDED, CONTROLLED = ("CR", "PR"), ("CR", "PR", "SD", "non-CR/non-PD")


@dataclass
class _Day:
    """What was said on one day: diameters and distances of slices by region, and a reader's word."""

    computed: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    read: dict[str, set[float]] = field(default_factory=lambda: defaultdict(set))
    slices: dict[str, float] = field(default_factory=dict)
    unequivocal: bool = False


@dataclass(frozen=True)
class Course:
    """One person's lesions and visits after the baseline, and the response of each visit."""

    lesions: tuple[Lesion, ...]
    baseline: Visit
    visits: tuple[Visit, ...]
    assessed: tuple[Assessed, ...]

    def best(self, *, confirm: bool) -> Overall:
        """The best response; days count from the baseline."""
        days = [(one.day - self.baseline.day, one.overall) for one in self.assessed]
        return best(days, confirm=confirm, confirmed_days=CONFIRMED_DAYS, stable_days=STABLE_DAYS)

    def best_change(self) -> float:
        """The smallest change of the sum in percent of the baseline's, NaN where no sum is known."""
        start = sum(self.baseline.diameters_mm[one.name] or 0 for one in self.lesions if one.is_target)
        sums = [one.sum_mm for one in self.assessed if one.sum_mm is not None]
        return 100 * (min(sums) / start - 1) if sums else float("nan")


def response(variable: Response, people: People) -> Floats:
    """(n,) what the variable says of each person, NaN where RECIST 1.1 says nothing."""
    found = np.full(len(people), np.nan)
    for row, course in courses(variable, people):
        if variable.says == "best_change":
            found[row] = course.best_change()
            continue
        said = course.best(confirm=variable.confirmed)
        if said not in ("NE", "none"):
            wanted = RESPONDED if variable.says == "objective_response" else CONTROLLED
            found[row] = float(said in wanted)
    return found


def courses(variable: Response, people: People) -> Iterator[tuple[int, Course]]:
    """The row in the table of each person with a baseline, and that person's course.

    Left out is who has a lesion later that the baseline does not have and that is not named as a new one: it
    may be new, and it may have been left unmeasured.
    """
    for row, days in sorted(_days(variable, people).items()):
        visits = list(_visits(variable, days))
        before = [at for at, one in enumerate(visits) if -variable.baseline_days <= one.day <= 0]
        if not before:
            continue
        baseline = visits[before[-1]]
        slices = {region: mm for day in sorted(days) if day <= 0 for region, mm in days[day].slices.items()}
        lesions = tuple(_lesions(variable, baseline, slices))
        later = tuple(one for one in visits if one.day > 0)
        seen = {*baseline.diameters_mm, *variable.new}
        if any(set(one.diameters_mm) - seen for one in later):
            continue
        if any(one.is_target for one in lesions):
            yield row, Course(lesions, baseline, later, tuple(assess(lesions, baseline, later)))


def _days(variable: Response, people: People) -> dict[int, dict[int, _Day]]:
    """Row -> day from the index date -> what was said; dates that are not known are left out."""
    places: dict[str, tuple[str, str]] = {}
    for region in (*variable.targets, *variable.nodes, *variable.others, *variable.new):
        tag = SHORT.tag if region in variable.nodes else LONG.tag
        places[radiomic_name(variable.modality, region, tag)] = (region, "computed")
        places[radiomic_name(variable.modality, region, SLICES.tag)] = (region, "slices")
        places[stored_name(f"recist_{region}")] = (region, "read")
    places[PROGRESSION] = ("", "progression")
    columns = measurement.c
    asked = (columns.measurement_date, columns.value_as_number, columns.measurement_source_value)
    rows, (days, values, names) = people.ask(people.named(MEASUREMENT, places.keys(), *asked))
    dated = as_days(days) > np.datetime64(DAY_NOT_KNOWN)
    since, numbers = people.since_index(rows, days), as_numbers(values)
    found: dict[int, dict[int, _Day]] = defaultdict(lambda: defaultdict(_Day))
    for at in np.flatnonzero(dated & ~np.isnan(numbers)):
        of_day, value = found[int(rows[at])][int(since[at])], float(numbers[at])
        match places[names[at]]:
            case region, "computed":
                of_day.computed[region].add(value)
            case region, "read":
                of_day.read[region].add(value)
            case region, "slices":
                of_day.slices[region] = max(value, of_day.slices.get(region, 0.0))
            case _:
                of_day.unequivocal |= value == 1
    doubtful = {row: sum(map(_doubts, of_person.values())) for row, of_person in found.items()}
    in_doubt = np.array([row for row, doubts in doubtful.items() if doubts], dtype=np.int64)
    people.note_doubt("reading-undated", sum(doubtful.values()), in_doubt)
    return found


def _said(day: _Day, region: str) -> set[float]:
    """The diameters of a region on a day: a reader's, or else those computed."""
    return day.read.get(region) or day.computed.get(region) or set()


def _doubts(day: _Day) -> int:
    """How many diameters of a day differ, so that none of them counts."""
    return sum(len(_said(day, region)) > 1 for region in {*day.computed, *day.read})


def _visits(variable: Response, days: Mapping[int, _Day]) -> Iterator[Visit]:
    """Days within a week as one visit, of which none lies across the index date."""
    together: list[int] = []
    for day in sorted(days):
        if together and (day - together[0] > VISIT_DAYS or together[0] <= 0 < day):
            yield _visit(variable, together, days)
            together = []
        together.append(day)
    if together:
        yield _visit(variable, together, days)


def _visit(variable: Response, together: Sequence[int], days: Mapping[int, _Day]) -> Visit:
    """One visit; of a lesion that was measured on several of its days the last counts."""
    diameters: dict[str, float | None] = {}
    for day in together:
        for region in {*days[day].computed, *days[day].read}:
            values = _said(days[day], region)
            diameters[region] = next(iter(values)) if len(values) == 1 else None
    new = {one: mm for one in variable.new if (mm := diameters.get(one)) is not None and mm > 0}
    return Visit(together[-1], diameters, new, any(days[day].unequivocal for day in together))


def _lesions(variable: Response, baseline: Visit, slices: Mapping[str, float]) -> Iterator[Lesion]:
    """Those of the baseline; what is too small for a target is followed and not summed, a node below 10 mm
    is not even followed."""
    for region, mm in baseline.diameters_mm.items():
        if mm is None or region in variable.new:
            continue
        if region in variable.nodes:
            if mm >= NODE_GONE_MM:
                yield Lesion(region, is_node=True, is_target=is_target_node(mm))
        elif mm > 0:
            is_large = is_measurable(mm, slices.get(region, 0.0))
            yield Lesion(region, is_target=is_large and region in variable.targets)
