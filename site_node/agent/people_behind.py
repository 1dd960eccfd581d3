"""Who is behind the numbers of a question, and whether the auditor lets this site tell them."""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.numbers_published import are_shown_by_site, columns_listed, numbers_published
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats, Integers, Labels
from protocols.exchange.envelope import digest, pack
from protocols.exchange.site_answer import asked_table, complete_in, people_in
from site_node.governance import numbers_told
from site_node.governance.auditor import Auditor, Behind, variable_key
from site_node.governance.first_values import digests_of
from site_node.governance.numbers_told import Published

Run = tuple[str, tuple[str, ...]]
"""A run's name and its roster."""


@dataclass
class PeopleBehind:
    """What this site may tell of the people of its studies.

    What was decided once about the people of an analysis holds for the run: it takes part in it, or not.
    """

    home: Path
    auditor: Auditor = field(init=False)
    _decided: dict[tuple[object, ...], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.auditor = Auditor(self.home)

    def may_be_told(self, study: Study, table: AnalysisTable, run: Run, ask: Ask, floors: Thresholds) -> bool:
        """Whether the numbers of a question may leave beside all earlier ones; if so, it is noted."""
        transforms = tuple((t.analysis, t.part, t.rows) for t in ask.transforms)
        name, roster = run
        place = (study.hash(), name, ask.analysis, ask.part, ask.rows, transforms, ask.per_site)
        if place not in self._decided:
            roster = () if ask.per_site else roster
            sets = list(people_behind(study, table, ask))
            self._decided[place] = self.auditor.admit(sets, roster, floors)
        return self._decided[place]

    def may_be_published(
        self, study: Study, table: AnalysisTable, run: Run, analysis: str, sites: int, most: float
    ) -> bool:
        """Whether the result of an analysis may be published beside all earlier ones; if so, it is counted.

        Args:
            sites: how many contribute.
            most: how many numbers each person may bear.
        """
        name, roster = run
        place = (study.hash(), name, analysis, sites, most)
        if place not in self._decided:
            result = published(study, table, analysis, roster, sites)
            self._decided[place] = numbers_told.admit(self.home, result, most)
        return self._decided[place]


def published(
    study: Study, table: AnalysisTable, analysis: str, roster: tuple[str, ...], sites: int
) -> Published:
    """What an analysis publishes about the people here, where so many sites of the roster contribute."""
    spec, of = study.analysis(analysis).spec, complete_in(study, analysis, table)
    over = len(of) * (1 if are_shown_by_site(spec) else sites)
    numbers = numbers_published(spec, of, over, study.thresholds.min_count)
    if beside := spec.scans_beside():
        asked = pack({"moments": _moments_of(study, of, beside)})
    else:
        before = [study.analysis(name).spec for name in study.analysis(analysis).after]
        read = {v: _key(study, v) for one in (spec, *before) for v in one.variables() if v in study.variables}
        asked = pack({"specs": [one.model_dump(mode="json") for one in (spec, *before)], "read": read})
    return Published(numbers_told.name_of(asked, of.persons, roster), of.persons, numbers, over)


def _moments_of(study: Study, table: AnalysisTable, names: tuple[str, ...]) -> dict[str, str]:
    """What the moments of columns that can be listed are of: how each is read -> a digest of its values."""
    found = {}
    for name in table.read_of(names):
        if columns_listed(table, (name,)):
            read, _, part = name.partition(".")
            key = _key(study, read) if read in study.variables else read
            found[f"{key} {part}"] = digest(repr(_values(table, name).tolist()).encode())
    return found


def people_behind(study: Study, table: AnalysisTable, ask: Ask) -> Iterator[Behind]:
    """The sets of people over which the question forms sums, each with what is read of its variables."""
    spec = study.spec(ask.analysis, ask.part)
    asked = asked_table(study, people_in(study, ask.analysis, table), ask)
    among = np.isin(table.persons, asked.persons, assume_unique=True)
    for names, mask in spec.sets_of_people(asked):
        values: dict[str, Integers] = {}
        for variable in _sources(study, ask, names):
            key, digests = _key(study, variable), _digests(table, variable)[among][mask]
            if key in values:  # two readings of one thing: each is a set of its own
                yield Behind(asked.persons[mask], frozenset({key}), {key: digests})
            values.setdefault(key, digests)
        yield Behind(asked.persons[mask], frozenset(values), values)


def _sources(study: Study, ask: Ask, names: tuple[str, ...]) -> Iterator[str]:
    """The study's variables behind columns; one that a harmonization made is made of all that this reads."""
    made = [study.analysis(name).spec for name in study.analysis(ask.analysis).after]
    read = (name.split(".")[0] for name in names)
    of = (
        (name,) if name in study.variables else (source for spec in made for source in spec.variables())
        for name in read
    )
    found = dict.fromkeys(source for sources in of for source in sources)
    yield from (source for source in found if source in study.variables)


def _key(study: Study, variable: str) -> str:
    return variable_key(study.variables[variable].model_dump(mode="json", by_alias=True))


def _digests(table: AnalysisTable, variable: str) -> Integers:
    """The (n,) digests of people's values as they were read, before any harmonization."""
    known: dict[str, Integers] = table.derived("digests of values", dict)
    if variable not in known:
        key = int.from_bytes(hmac.digest(table.secret, b"first values", "sha256")[:8], "little")
        columns = {name: _values(table, name) for name in table.read_of([variable])}
        known[variable] = digests_of(columns, len(table), key)
    return known[variable]


def _values(table: AnalysisTable, name: str) -> Floats | Labels:
    return table.labels[name] if name in table.labels else table.columns[name]
