"""Who is behind the numbers of a question, and whether the auditor lets this site tell them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from protocols.core.disclosure import Thresholds
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.site_answer import asked_table, people_in
from site_node.governance.auditor import Auditor, Behind, variable_key

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


def people_behind(study: Study, table: AnalysisTable, ask: Ask) -> Iterator[Behind]:
    """The sets of people over which the question forms sums, each with what is read of its variables."""
    spec = study.spec(ask.analysis, ask.part)
    asked = asked_table(study, people_in(study, ask.analysis, table), ask)
    for names, mask in spec.sets_of_people(asked):
        yield Behind(asked.persons[mask], frozenset(_read(study, ask, names)))


def _read(study: Study, ask: Ask, names: tuple[str, ...]) -> Iterator[str]:
    """What is read of variables; a column that a harmonization made is made of all that this one reads."""
    before = study.analysis(ask.analysis).after
    made = [study.analysis(name).spec for name in before]
    for name in names:
        if name in study.variables:
            yield variable_key(study.variables[name].model_dump(mode="json", by_alias=True))
        else:
            sources = (source for spec in made for source in spec.variables() if source in study.variables)
            yield from (
                variable_key(study.variables[source].model_dump(mode="json", by_alias=True))
                for source in sources
            )
