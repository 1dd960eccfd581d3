"""Readers of the imaging blocks: the radiomic features of a region."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sqlalchemy import select

from cdm.etl.imaging.image_feature import radiomic_name
from cdm.schema import measurement
from protocols.core.block_kinds import RadiomicBlock
from site_node.features import clinical
from site_node.features.arrays import Floats, Integers
from site_node.features.clinical import Events
from site_node.study_table.block_readers.reader import BlockReader, StoredBlock
from site_node.study_table.people import People, as_numbers

NAMES_AT_ONCE = 200
"""Names in one query: its answer has as many rows per person."""


def radiomic(kind: RadiomicBlock, people: People, folder: Path | None) -> StoredBlock:
    stored = [_stored_name(kind, name) for name in kind.names()]
    return StoredBlock(kind.on, len(people), _parts(people, stored), folder)


def _stored_name(kind: RadiomicBlock, name: str) -> str:
    filter_name, _, tag = name.rpartition(":")
    return radiomic_name(kind.modality, kind.region, tag, filter_name)


def _parts(people: People, stored: list[str]) -> Iterator[tuple[Integers, Floats]]:
    """The numbers of the image nearest to the index date, by names as they stand in the CDM."""
    columns = measurement.c
    for begin in range(0, len(stored), NAMES_AT_ONCE):
        names = stored[begin : begin + NAMES_AT_ONCE]
        place = {name: i for i, name in enumerate(names)}
        statement = select(
            columns.person_id,
            columns.measurement_date,
            columns.value_as_number,
            columns.measurement_source_value,
        ).where(columns.measurement_source_value.in_(names), people.are(columns.person_id))
        rows, (days, numbers, written) = people.ask(statement)
        found = np.array([place[name] for name in written], dtype=np.int64)
        events = Events(rows, people.since_index(rows, days), as_numbers(numbers))
        here = np.unique(found)
        values = [clinical.one_each(events.where(found == i), len(people), "nearest") for i in here]
        if values:
            yield here + begin, np.stack(values)


READERS = (BlockReader(RadiomicBlock, radiomic),)
