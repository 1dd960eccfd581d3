"""Where a variant lies: chromosome, build and 1-based positions, of genomics-reporting's components."""

import re
from typing import NamedTuple

from cdm.etl.fhir.words.components import Components

GENOMIC_REFERENCE, GENOMIC_HGVS, CHROMOSOME, BUILD = "48013-7", "81290-9", "48000-4", "62374-4"
EXACT, OUTER = "81254-5", "81302-2"
COORDINATES = "92822-6"
# answers to it (0-based intervals, 0-based and 1-based characters) -> what to add to start and end
SHIFTS = {"LA30100-4": (1, 0), "LA30101-2": (1, 1), "LA30102-0": (0, 0)}

NAME = re.compile(r"(?:chromosome|chr)?[ _]*(\d{1,2}|X|Y|MT?)", re.IGNORECASE)
SEQUENCE = re.compile(r"NC_0000(\d\d)\.(\d+)")
MITOCHONDRION = re.compile(r"NC_012920\.\d+")
HGVS_PLACE = re.compile(r"[gm]\.\(?(\d+)(?:_(\d+))?")
# RefSeq's version of each chromosome in GRCh37; GRCh38's is one more
GRCH37 = dict(zip(range(1, 25), (
    *(10, 11, 11, 11, 9, 11, 13, 10, 11, 10, 9, 11, 10, 8, 9, 9, 10, 9, 9, 10, 8, 10, 10, 9),
), strict=True))  # fmt: skip


class Place(NamedTuple):
    """Where a change lies; None for what is not stated."""

    chromosome: str | None = None
    start: int | None = None
    end: int | None = None
    build: str | None = None


def place_of(components: Components) -> Place:
    """The place on a chromosome.

    A position counts only on a genomic sequence, and only where the observation says how it counts; else that
    of the genomic HGVS.
    """
    hgvs = components.text(GENOMIC_HGVS) or ""
    sequences = [*components.words(GENOMIC_REFERENCE), hgvs.partition(":")[0]]
    named = [_of_sequence(word) for word in sequences]
    chromosome = _name(components.text(CHROMOSOME)) or next((name for name, _ in named if name), None)
    build = components.text(BUILD) or next((build for _, build in named if build), None)
    if chromosome is None:
        return Place(build=build)
    shift = next((SHIFTS[word] for word in components.words(COORDINATES) if word in SHIFTS), None)
    stated = components.interval(EXACT) or components.interval(OUTER)
    if stated and shift:
        start, end = stated[0] + shift[0], stated[1] + shift[1]
        return Place(chromosome, start, max(start, end), build)
    found = HGVS_PLACE.search(hgvs.rpartition(":")[2])
    if found:
        return Place(chromosome, int(found[1]), int(found[2] or found[1]), build)
    return Place(chromosome, build=build)


def _name(text: str | None) -> str | None:
    """The chromosome as the CDM writes it: 1 to 22, X, Y, MT; None for what is not one."""
    found = NAME.fullmatch(text.strip()) if text else None
    if not found:
        return None
    bare = found[1].upper()
    if bare.isdecimal():
        return str(int(bare)) if 1 <= int(bare) <= 22 else {23: "X", 24: "Y"}.get(int(bare))
    return "MT" if bare == "M" else bare


def _of_sequence(accession: str) -> tuple[str | None, str | None]:
    """(chromosome, build) of a RefSeq accession."""
    if MITOCHONDRION.search(accession):
        return "MT", None
    found = SEQUENCE.search(accession)
    if not found or int(found[1]) not in GRCH37:
        return None, None
    version = int(found[2]) - GRCH37[int(found[1])]
    return _name(str(int(found[1]))), {0: "GRCh37", 1: "GRCh38"}.get(version)
