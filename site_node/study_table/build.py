"""From the CDM to the table that a study computes on: one column per variable, one query each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from cdm.vocabulary.concepts import Vocabulary
from protocols.core.block import Block
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Episodes, fold_hashes
from protocols.core.variables import Survival
from site_node.features.arrays import Floats
from site_node.features.clinical import Labels, spells
from site_node.study_table import cohort, sealing
from site_node.study_table.block_readers import BLOCK_READERS
from site_node.study_table.people import People
from site_node.study_table.readers import READERS
from site_node.study_table.readers.reader import DatedReader, LabelReader


@dataclass(frozen=True)
class Built:
    """A study's table, and how many people were left after each step of its cohort.

    `doubts` says of a variable how many records were left out or read by a policy, by kind of doubt; of how
    many people they are, the table says by kind, and `in_doubt` over all kinds.
    """

    table: AnalysisTable
    attrition: list[tuple[str, int]]
    doubts: dict[str, dict[str, int]] = field(default_factory=dict)
    in_doubt: dict[str, int] = field(default_factory=dict)


def build_table(
    engine: Engine,
    study: Study,
    site_name: str,
    sealed: sealing.SealedCohort | None = None,
    *,
    folder: Path | None = None,
) -> Built:
    """The study's table of this site's people, in ascending order of person_id; of the sealed ones if given.

    Args:
        folder: where blocks are laid on disk, in files that go with the table.

    Raises:
        SpecError: the study names a concept that cannot be one.
    """
    with engine.connect() as connection:
        vocabulary = Vocabulary(engine)
        if sealed is None:
            found = cohort.evaluate(connection, study.cohort, vocabulary)
        else:
            found = sealing.opened(connection, sealed, vocabulary)
        people = found.people
        columns: dict[str, Floats] = {}
        labels: dict[str, Labels] = {}
        doubts: dict[str, dict[str, int]] = {}
        doubtful: dict[str, dict[str, int]] = {}
        in_doubt: dict[str, int] = {}
        people.doubts.clear()  # what the cohort's rules met
        people.in_doubt.clear()
        for name, variable in study.variables.items():
            reader = READERS[type(variable)]
            if isinstance(reader, LabelReader):
                labels[name] = reader.labels(variable, people)
            else:
                columns |= zip(variable.columns(name), reader.columns(variable, people), strict=True)
            doubts |= {name: dict(people.doubts)} if people.doubts else {}
            if people.in_doubt:
                doubtful[name] = {kind: len(rows) for kind, rows in people.in_doubt.items()}
                in_doubt[name] = len(set().union(*people.in_doubt.values()))
            people.doubts.clear()
            people.in_doubt.clear()
        changing = episodes(study, people, columns)
        blocks: dict[str, Block] = {}
        for name, kind in study.blocks.items():
            blocks[name] = BLOCK_READERS[type(kind)].read(kind, people, folder)
            doubts |= {name: dict(people.doubts)} if people.doubts else {}
            people.doubts.clear()
    hashes = fold_hashes(people.persons, bytes.fromhex(study.hash()))
    attrition = dict(found.attrition)
    table = AnalysisTable(
        site_name, people.persons, columns, labels, hashes, attrition, changing, blocks, doubtful
    )
    return Built(table, found.attrition, doubts, in_doubt)


def episodes(study: Study, people: People, columns: Mapping[str, Floats]) -> dict[str, Episodes]:
    """For each survival variable with changing ones: its follow-up, cut where they change."""
    found = {}
    for outcome, survival in study.variables.items():
        if not isinstance(survival, Survival) or not survival.changing:
            continue
        events, absent = {}, {}
        for name in survival.changing:
            variable = study.variables[name]
            reader = READERS[type(variable)]
            assert isinstance(reader, DatedReader)  # the study was checked when it was parsed
            events[name] = reader.events(variable, people)
            if reader.absent is not None:
                absent[name] = reader.absent
        cut = spells(events, absent, columns[f"{outcome}.time"], columns[f"{outcome}.event"])
        found[outcome] = Episodes(cut.rows, cut.start, cut.stop, cut.event, cut.columns)
    return found
