"""Tables of one's own as if they were sites: the study file runs through gate and floors in this process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from protocols.core.block import ArrayBlock
from protocols.core.errors import Code, InputError
from protocols.core.study import Study, read_study
from protocols.core.table import AnalysisTable, Floats, Labels
from protocols.exchange.local import run_locally
from protocols.exchange.rounds import Outcome


@dataclass(frozen=True)
class LocalNetwork:
    """Sites in this process, each a data frame with one row per person and a column per variable.

    `blocks` are data frames of the same people, by site and block; their columns are names of its axis.
    """

    tables: Mapping[str, AnalysisTable]
    blocks: Mapping[str, Mapping[str, pd.DataFrame]] = field(default_factory=dict)

    def run(self, study: Study | str | Path) -> Outcome:
        """What the study finds; its cohort is not looked at, for the tables are the cohort.

        Example: `local({"oslo": a, "bergen": b, "tromso": c}).run("study.yaml")["survival"].summary()`

        Raises:
            InputError: it is not a valid study. StudyError: it cannot go on.
        """
        asked = study if isinstance(study, Study) else read_study(Path(study))
        return run_locally(asked, [self._with_blocks(asked, table) for table in self.tables.values()])

    def _with_blocks(self, study: Study, table: AnalysisTable) -> AnalysisTable:
        """The table with the study's blocks, by the names that the study means: others are not read."""
        for name, frame in self.blocks.get(table.site, {}).items():
            if name in study.blocks:
                names = study.blocks[name].names()
                values = frame.reindex(columns=list(names)).to_numpy(np.float64)
                table = table.with_block(name, ArrayBlock(names, values))
        return table


def local(
    frames: Mapping[str, pd.DataFrame], blocks: Mapping[str, Mapping[str, pd.DataFrame]] | None = None
) -> LocalNetwork:
    """Data frames as sites.

    Args:
        frames: site -> one row per person. Numbers and truths are variables, texts are labels such as a
            scanner, what is missing is missing; a survival variable is `NAME.time` and `NAME.event`.
        blocks: site -> block -> one row per person, with the index of the site's frame; a column per name.

    Raises:
        InputError: a column is neither numbers nor text, or a block is of other people or of no site.
    """
    for site, named in (blocks or {}).items():
        for name, block in named.items():
            if site not in frames or not block.index.equals(frames[site].index):
                text = f"block {name} of {site} has not the people of that site's frame"
                raise InputError(Code.INVALID_INPUT, text, "give both the same index, in one order")
    return LocalNetwork({site: _table(site, frame) for site, frame in frames.items()}, blocks or {})


def _table(site: str, frame: pd.DataFrame) -> AnalysisTable:
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
