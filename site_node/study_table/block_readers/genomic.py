"""Readers of the genomic blocks: what profiles of many thousand genes or probes say."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson
from sqlalchemy import select

from cdm.etl.genomics.genomic_profile import BLOCKS, opened
from cdm.schema import genomic_profile
from cdm.vocabulary.genes import gene_names
from protocols.core.block_kinds import CopyNumberBlock, ExpressionBlock, MethylationBlock
from site_node.features.arrays import Floats, Integers
from site_node.features.genomics.expression import log2_1p
from site_node.features.genomics.methylation import m_value
from site_node.study_table import genomic_records
from site_node.study_table.block_readers.reader import BlockReader, Parts, StoredBlock
from site_node.study_table.people import People


def expression(kind: ExpressionBlock, people: People, folder: Path | None) -> StoredBlock:
    parts = _parts(people, kind.unit.removeprefix("log2_"), kind.names())
    if kind.unit.startswith("log2_"):
        parts = _each(parts, log2_1p)
    return StoredBlock(kind.on, len(people), parts, folder)


def copy_number(kind: CopyNumberBlock, people: People, folder: Path | None) -> StoredBlock:
    return StoredBlock(kind.on, len(people), _parts(people, "log2 ratio", kind.names()), folder)


def methylation(kind: MethylationBlock, people: People, folder: Path | None) -> StoredBlock:
    parts = _parts(people, "beta", kind.names())
    return StoredBlock(kind.on, len(people), _each(parts, m_value) if kind.unit == "m" else parts, folder)


def _each(parts: Parts, change: Callable[[Floats], Floats]) -> Parts:
    return ((at, change(values)) for at, values in parts)


def _parts(people: People, quantity: str, names: Sequence[str]) -> Parts:
    """The numbers under the names of an axis; of several tests of a person the mean.

    Profiles are opened once, one of their blocks for all people at a time. A name under which two of them
    have numbers, or that means the gene of another name, is read on its own afterwards.
    """
    axis = _Genes(names)
    written = np.zeros(len(names), dtype=bool)
    again = set(axis.shared)
    for block in range(BLOCKS):
        for at, values in _of_block(people, quantity, block, axis, again):
            again |= set(at[written[at]].tolist())
            written[at] = True
            yield at, values
    for position in sorted(again):
        values = genomic_records.profile(people, quantity, names[position])
        yield np.array([position], dtype=np.int64), values[None, :]


class _Genes:
    """Where on an axis the name under which a test has a number stands."""

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = {name.upper(): i for i, name in enumerate(names)}
        self._symbol: dict[str, int] = {}
        self.shared: set[int] = set()
        for i, name in enumerate(names):
            symbol = (gene_names().symbol(name) or name).upper()
            if symbol in self._symbol:
                self.shared |= {i, self._symbol[symbol]}
            self._symbol[symbol] = i
        self._known: dict[tuple[str, ...], Integers] = {}

    def forget(self) -> None:
        """Drops the names of tests that were looked up: another block of the profiles has others."""
        self._known.clear()

    def places(self, features: tuple[str, ...]) -> Integers:
        """(k,) the positions of names as a test writes them; -1 for one that is not on the axis."""
        if features not in self._known:
            self._known[features] = np.array([self._place(name.upper()) for name in features], dtype=np.int64)
        return self._known[features]

    def _place(self, name: str) -> int:
        if name in self._exact:
            return self._exact[name]
        symbol = gene_names().symbol(name)
        return -1 if symbol is None else self._symbol.get(symbol.upper(), -1)


def _of_block(
    people: People, quantity: str, block: int, axis: _Genes, again: set[int]
) -> Iterator[tuple[Integers, Floats]]:
    """The numbers in one block of all tests' profiles; positions that a test has twice go into `again`."""
    columns = genomic_profile.c
    statement = select(columns.person_id, columns.content).where(
        columns.quantity == quantity, columns.block == block, people.are(columns.person_id)
    )
    rows, (contents,) = people.ask(statement)
    axis.forget()
    tests: list[tuple[Integers, Floats]] = []
    for content in contents:
        table = orjson.loads(opened(content))
        places = axis.places(tuple(table["features"]))
        on_axis = places >= 0
        places, numbers = places[on_axis], np.array(table["values"], dtype=np.float64)[on_axis]
        found, counts = np.unique(places, return_counts=True)
        again |= set(found[counts > 1].tolist())
        tests.append((places, numbers))
    here = np.unique(np.concatenate([places for places, _ in tests])) if tests else np.zeros(0, np.int64)
    if len(here):
        values = np.full((len(here), len(rows)), np.nan)
        for test, (places, numbers) in enumerate(tests):
            values[np.searchsorted(here, places), test] = numbers
        yield here, _mean_of_tests(values, rows, len(people))


def _mean_of_tests(values: Floats, rows: Integers, people: int) -> Floats:
    """The (k, people) means of the known numbers of (k, tests), by the row of each test's person."""
    known = ~np.isnan(values)
    total, count = np.zeros((people, len(values))), np.zeros((people, len(values)))
    np.add.at(total, rows, np.where(known, values, 0.0).T)
    np.add.at(count, rows, known.T)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).T


READERS = (
    BlockReader(ExpressionBlock, expression),
    BlockReader(CopyNumberBlock, copy_number),
    BlockReader(MethylationBlock, methylation),
)
