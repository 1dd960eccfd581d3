"""Reader of genotypes, which stay in the PLINK filesets that the site registered."""

import weakref
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from sqlalchemy import select

from cdm.etl.genomics.genotype import unpacked_check
from cdm.schema import genotype_check, genotype_sample
from protocols.core.axis import Axis
from protocols.core.block import Block
from protocols.core.block_kinds import GenotypeBlock
from protocols.core.errors import Code, SiteError
from protocols.genomics.alignment import Aligned, Strand, aligned, axis_table
from site_node.features.arrays import Floats, Integers, Mask
from site_node.sources.genotypes.fileset import BadFileset, Fileset, Genotypes
from site_node.sources.genotypes.genome_build import only_on_x
from site_node.study_table.block_readers.reader import BlockReader
from site_node.study_table.people import People
from site_node.study_table.records import sex_is


class Sample(NamedTuple):
    row: int  # of the table
    place: int  # in the list of samples


class _Part(NamedTuple):
    """People of one fileset, and which of its variants are on the axis."""

    genotypes: Genotypes
    rows: Integers
    places: Integers
    on_axis: Aligned


class GenotypesOfFiles(Block):
    """Genotypes of some people in one or several filesets; of two that have a variant the first."""

    def __init__(self, axis: Axis, is_male: Mask) -> None:
        self.axis = axis
        self.present = np.zeros(len(is_male), dtype=bool)
        self.only_on_x = np.zeros(axis.size, dtype=bool)
        self._is_male = is_male
        self._parts: list[_Part] = []
        self._open = ExitStack()
        weakref.finalize(self, self._open.close)

    def add(self, fileset: Fileset, samples: Sequence[Sample], found: pd.DataFrame, on_axis: Aligned) -> None:
        """Opens a fileset and notes whose genotypes it has."""
        count = len(fileset.read_samples())
        genotypes = self._open.enter_context(fileset.opened(count, len(found)))
        rows, places = (np.array(column, dtype=np.int64) for column in zip(*samples, strict=True))
        self._parts.append(_Part(genotypes, rows, places, on_axis))
        self.present[rows] |= len(on_axis.at) > 0

    def columns(self, at: Integers) -> Floats:
        numbers = np.full((len(at), len(self)), np.nan)
        for part in self._parts:
            first, last = np.searchsorted(part.on_axis.at, (at[0], at[-1] + 1))
            here = first + np.flatnonzero(np.isin(part.on_axis.at[first:last], at, assume_unique=True))
            if not len(here):
                continue
            copies = part.on_axis.counted(part.genotypes.copies(part.on_axis.variants[here]), here)
            rows = np.searchsorted(at, part.on_axis.at[here])
            known = numbers[np.ix_(rows, part.rows)]
            numbers[np.ix_(rows, part.rows)] = np.where(np.isnan(known), copies[:, part.places], known)
        men = numbers[:, self._is_male]
        # a man has one X: two different alleles of it are an error of the call
        numbers[:, self._is_male] = np.where(self.only_on_x[at][:, None] & (men == 1.0), np.nan, men)
        return numbers.T


def genotypes(kind: GenotypeBlock, people: People, folder: Path | None) -> GenotypesOfFiles:
    """The genotypes of some people, of filesets on the study's build.

    Raises:
        SiteError: site-failed; a fileset is not there any more, or has changed since it was loaded.
        SpecError: invalid-study; the list is not one of variants.
    """
    wanted = axis_table(kind.names())
    block = GenotypesOfFiles(kind.on, sex_is(people, "M") == 1)
    block.only_on_x[:] = only_on_x(wanted, kind.build)
    files = _samples(kind, people)
    checked = _checked(people, {digest for _, digest, _ in files})
    for (path, digest, strand), all_samples in files.items():
        bad_samples, bad_variants = checked.get(digest, (set(), []))
        samples = [sample for sample in all_samples if sample.place not in bad_samples]
        if len(samples) < len(all_samples):
            people.doubts["genotypes-left-out"] += len(all_samples) - len(samples)
        if not samples:
            continue
        fileset = Fileset(Path(path))
        try:
            if not fileset.genotypes.is_file() or fileset.digest() != digest:
                raise BadFileset("genotypes-changed", "the fileset is gone, or changed since it was loaded")
            found = fileset.read_variants()
            on_axis = aligned(wanted, found, strand).without(np.array(bad_variants, dtype=np.int64))
            block.add(fileset, samples, found, on_axis)
        except BadFileset as bad:
            raise SiteError(
                Code.SITE_FAILED, f"genotypes cannot be read: {bad.reason}", "load the fileset again"
            ) from None
        for doubt, count in (("strand-unknown", on_axis.ambiguous), ("variant-twice", on_axis.doubled)):
            if count:
                people.doubts[doubt] += count
    return block


_Files = dict[tuple[str, str, Strand], list[Sample]]


def _samples(kind: GenotypeBlock, people: People) -> _Files:
    """(path, digest, strand) -> whose genotypes lie there; of two samples of a person the first."""
    columns = genotype_sample.c
    statement = (
        select(
            columns.person_id,
            columns.local_path,
            columns.digest,
            columns.strand,
            columns.place,
            columns.reference_genome,
        )
        .where(people.are(columns.person_id))
        .order_by(columns.local_path, columns.place)
    )
    rows, told = people.ask(statement)
    files: _Files = {}
    seen: set[tuple[int, str]] = set()
    for row, path, digest, strand, place, build in zip(rows.tolist(), *told, strict=True):
        if build != kind.build:
            people.doubts["other-build"] += 1
        elif (row, path) in seen:
            people.doubts["sample-twice"] += 1
        else:
            seen.add((row, path))
            files.setdefault((path, digest, strand), []).append(Sample(row, place))
    return files


def _checked(people: People, digests: Collection[str]) -> dict[str, tuple[set[int], list[int]]]:
    """digest -> the places of samples and of variants that the checks of a fileset left out."""
    columns = genotype_check.c
    statement = select(columns.digest, columns.content).where(columns.digest.in_(digests))
    found = {}
    for digest, content in people.connection.execute(statement):
        samples, variants = unpacked_check(content)
        found[digest] = (set(samples), variants)
    return found


READERS = (BlockReader(GenotypeBlock, genotypes),)
