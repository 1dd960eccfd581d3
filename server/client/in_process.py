"""Sites in this process, with the same calls as a consortium over the network: own frames, or dummy people.

A study runs through the secure sum, the gate and its floors: what is withheld here is withheld in hospitals,
for the same reason.
"""

import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from protocols.core.block import ArrayBlock
from protocols.core.errors import Code, InputError
from protocols.core.feasibility import doubts
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats, Labels
from protocols.describe.query import attrition_study, query_study
from protocols.exchange.dummy import PEOPLE, dummy_tables
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome
from server.client.builders import AnyStudy, Cohort, as_study
from server.client.frames import query_frame
from server.client.results import Results

TablesOf = Callable[[Study], Sequence[AnalysisTable]]


@dataclass(frozen=True)
class LocalRun:
    """A study that ran in this process; the same calls as those of a run over the network.

    Attributes:
        id: of this run.
        state: `done`, or `done with failures`.
    """

    study: Study
    outcome: Outcome
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:16])

    @property
    def state(self) -> str:
        """How it ended."""
        return "done with failures" if self.results().failures else "done"

    def events(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """What happened in it: it is over."""
        said = {"number": 1, "run": self.id, "what": self.state, "detail": f"{self.outcome.rounds} rounds"}
        yield from [said][after:]

    def wait(self, *, show: bool = True) -> Results:
        """What it found; there is nothing to wait for."""
        return self.results()

    def results(self) -> Results:
        """What it found."""
        return Results.of(self.study, self.outcome)

    def report(self, out: str | Path) -> Path:
        """The path to which its report was written: one HTML page that needs nothing beside it."""
        from server.report import write_report  # matplotlib

        path = Path(out)
        with tempfile.TemporaryDirectory() as folder:
            path.write_text(write_report(self.study, self.outcome, [], Path(folder)).read_text())
        return path

    def __repr__(self) -> str:
        return f"LocalRun({self.id!r}): {self.state}"


@dataclass(frozen=True)
class InProcess:
    """Sites in this process.

    Attributes:
        names: of the sites.
        tables_of: the table of each site for a study.
    """

    names: tuple[str, ...]
    tables_of: TablesOf

    def sites(self) -> pd.DataFrame:
        """One row per site."""
        return pd.DataFrame({"is_online": True}, index=pd.Index(self.names, name="name"))

    def check(self, study: AnyStudy) -> dict[str, Any]:
        """What a study asks, what would leave each site, and what in it could not work."""
        asked = as_study(study)
        return {
            "name": asked.name,
            "title": asked.title,
            "hash": asked.hash(),
            "min_sites": asked.min_sites,
            "would_leave": list(asked.describe()),
            "doubts": [{"where": one.where, "text": one.text, "fix": one.fix} for one in doubts(asked)],
        }

    def submit(self, study: AnyStudy) -> LocalRun:
        """The run of a study, which is over when this returns.

        Raises:
            InputError: it is not a valid study. StudyError: it cannot go on.
        """
        asked = as_study(study)
        return LocalRun(asked, run_locally(asked, self.tables_of(asked), full=asked.digits == "full"))

    def run(self, study: AnyStudy) -> Results:
        """What a study finds; see `submit`."""
        return self.submit(study).results()

    def query(self, cohort: str | Cohort, variables: Sequence[str], *, by: str = "") -> pd.DataFrame:
        """Counts and summaries, all sites together first; see `Network.query`."""
        return query_frame(self.run(query_study(str(cohort), list(variables), by=by, files=False)))

    def attrition(self, cohort: str | Cohort) -> pd.DataFrame:
        """People left after each rule, one column per site, all of them together first."""
        return self.run(attrition_study(str(cohort), files=False))["attrition"].summary()


def dummy(sites: int = 3, *, people: int = PEOPLE, seed: int = 1) -> InProcess:
    """Hospitals of dummy people, who are drawn for each study so that they meet its cohort.

    Args:
        sites: how many hospitals, 3 to 8.
        people: of a hospital, on average.
        seed: another one draws other people.
    """
    if not 3 <= sites <= 8 or people < 1:
        raise InputError(Code.INVALID_INPUT, "dummy hospitals are 3 to 8, with one person or more")
    from protocols.exchange.dummy import SITES

    return InProcess(SITES[:sites], lambda study: dummy_tables(study, sites=sites, people=people, seed=seed))


def local(
    frames: Mapping[str, pd.DataFrame], blocks: Mapping[str, Mapping[str, pd.DataFrame]] | None = None
) -> InProcess:
    """Data frames as sites; a study's cohort is not looked at, for the frames are the cohort.

    Args:
        frames: site -> one row per person. Numbers and truths are variables, texts are labels such as a
            scanner, what is missing is missing; a survival variable is `NAME.time` and `NAME.event`.
        blocks: site -> block -> one row per person, with the index of the site's frame; a column per name.

    Raises:
        InputError: a column is neither numbers nor text, or a block is of other people or of no site.
    """
    known = blocks or {}
    for site, named in known.items():
        for name, block in named.items():
            if site not in frames or not block.index.equals(frames[site].index):
                text = f"block {name} of {site} has not the people of that site's frame"
                raise InputError(Code.INVALID_INPUT, text, "give both the same index, in one order")
    tables = {site: table_of(site, frame) for site, frame in frames.items()}

    def tables_of(study: Study) -> Sequence[AnalysisTable]:
        return [_with_blocks(study, table, known.get(table.site, {})) for table in tables.values()]

    return InProcess(tuple(frames), tables_of)


def _with_blocks(study: Study, table: AnalysisTable, blocks: Mapping[str, pd.DataFrame]) -> AnalysisTable:
    """The table with the study's blocks, by the names that the study means: others are not read."""
    for name, frame in blocks.items():
        if name in study.blocks:
            names = study.blocks[name].names()
            values = frame.reindex(columns=list(names)).to_numpy(np.float64)
            table = table.with_block(name, ArrayBlock(names, values))
    return table


def table_of(site: str, frame: pd.DataFrame) -> AnalysisTable:
    """The table of a frame.

    Raises:
        InputError: a column is neither numbers nor text.
    """
    columns: dict[str, Floats] = {}
    labels: dict[str, Labels] = {}
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
            columns[str(name)] = np.asarray(values.astype("Float64").to_numpy(np.float64, na_value=np.nan))
        elif values.dropna().map(lambda one: isinstance(one, str)).all():
            labels[str(name)] = np.array([one if isinstance(one, str) else None for one in values], object)
        else:
            text = f"column {name} of {site} is neither numbers nor text"
            raise InputError(Code.INVALID_INPUT, text, "make numbers or text of it")
    return AnalysisTable(site, np.arange(len(frame), dtype=np.int64), columns, labels)
