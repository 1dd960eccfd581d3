"""What the CDM's genomic tables say of people, as arrays with one entry per person.

A FHIR variant Observation, a MAF and a VCF end in the same tables. What a test of one kind says nothing about
is missing and not zero: a fusion panel leaves every mutation open.

A gene is looked up under all names that mean it (`cdm.vocabulary.genes`). What stands under a name that may
mean it, because several genes have it or a spreadsheet made it a date, makes its answer missing; and a test
"of every gene" says nothing of a gene that HGNC does not know.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
)

from cdm.etl.genomics.genomic_profile import block_of, unpack
from cdm.etl.genomics.sample_numbers import CTDNA, PLOIDY, PURITY
from cdm.schema import genomic_profile, genomic_test, measurement, target_gene, variant_occurrence
from cdm.vocabulary.consequences import OPEN
from cdm.vocabulary.genes import Names, gene_names
from site_node.features import clinical, genomics
from site_node.features.arrays import Floats, Integers
from site_node.features.clinical import Events
from site_node.features.genomics import burden, clonality, copy_number, mutation
from site_node.study_table.codes import MEASUREMENT
from site_node.study_table.people import People, as_numbers
from site_node.study_table.records import sex_is

Origin = Literal["somatic", "germline", "any"]
EVERY_GENE = ("exome", "genome", "transcriptome")
PASSED = ("PASS", ".", "")
GERMLINE = "germline"
FUSIONS, COPY_NUMBER = "fusions", "copy number"
STRUCTURAL = ("Fusion", "Copy_Number_Segment")
DIPLOID_PLOIDY = 2.0
IMPLAUSIBLE_FRACTION = 1.2
"""Of tumour cells: what reads alone seldom do to a variant that all cells have."""

test, target, variant = genomic_test.c, target_gene.c, variant_occurrence.c


def gene_states(people: People, gene: str, origin: Origin = "somatic") -> Floats:
    """(n,) 1 where the gene is mutated, 0 where it was tested and is not, NaN where it was not tested.

    A variant that its caller filtered out does not count. `somatic` leaves out what is stated as inherited;
    `germline` asks for that alone, and only a test that says it reads the germline answers with 0.
    """
    names = gene_names().names(gene)
    rows, (is_variant, words) = people.ask(
        union_all(
            _reached(people, names, _reads(origin)),
            _found_in(people, names.certain, origin, variant.variant_classification),
            _found_in(people, names.doubtful, origin, _says_nothing()),
        )
    )
    variants = np.array(is_variant, dtype=bool)
    classifications = [words[i] for i in np.flatnonzero(variants)]
    is_open = np.array([mutation.leaves_open(word) for word in classifications], dtype=bool)
    people.note_doubt("gene-open", int(is_open.sum()), rows[variants][is_open])
    return genomics.mutated(len(people), rows[~variants], rows[variants], classifications)


def _reads(origin: Origin) -> ColumnElement[bool]:
    """Whether a test reads small variants of this origin."""
    match origin:
        case "somatic":
            return test.assay.is_(None)
        case "germline":
            return test.assay == GERMLINE
    return or_(test.assay.is_(None), test.assay == GERMLINE)


def _reached(people: People, names: Names, reads: ColumnElement[bool]) -> Select[tuple[int, int, None]]:
    """(person_id, 0, NULL) of every test that reaches the gene."""
    names_it = and_(
        target.genomic_test_id == test.genomic_test_id,
        func.upper(target.hgnc_symbol).in_(sorted(names.certain)),
    )
    every_gene = EVERY_GENE if names.is_known else ()
    return (
        select(test.person_id, literal(0).label("found"), literal(None).label("classification"))
        .outerjoin_from(genomic_test, target_gene, names_it)
        .where(or_(test.target_scope.in_(every_gene), target.target_gene_id.is_not(None)))
        .where(reads, people.are(test.person_id))
    )


def _found_in(
    people: People, names: frozenset[str], origin: Origin, word: ColumnElement[str]
) -> Select[tuple[int, int, str]]:
    """(person_id, 1, classification) of every small variant under one of the names."""
    statement = select(variant.person_id, literal(1), word).where(
        _is_in(names), _passed(), _is_small(), people.are(variant.person_id)
    )
    return statement if origin == "any" else statement.where(_is_of(origin))


def _says_nothing() -> ColumnElement[str]:
    """The classification where it says that no gene is mutated, else one that leaves that open."""
    word = variant.variant_classification
    return case((word.in_(sorted(mutation.SYNONYMOUS)), word), else_=OPEN)


def _names(gene: str) -> ColumnElement[bool]:
    return _is_in(gene_names().names(gene).certain)


def _is_in(names: frozenset[str]) -> ColumnElement[bool]:
    return or_(
        func.upper(variant.target_gene1_symbol).in_(sorted(names)),
        func.upper(variant.target_gene2_symbol).in_(sorted(names)),
    )


def _passed() -> ColumnElement[bool]:
    return or_(variant["filter"].is_(None), variant["filter"].in_(PASSED))


def _is_small() -> ColumnElement[bool]:
    word = variant.variant_classification
    return or_(word.is_(None), word.not_in(STRUCTURAL))


def _is_of(origin: Origin) -> ColumnElement[bool]:
    stated = func.lower(variant.genetic_origin)
    if origin == "germline":
        return stated == GERMLINE
    return or_(stated.is_(None), stated != GERMLINE)


def fusion_states(people: People, gene: str, partner: str | None, least_reads: int) -> Floats:
    """(n,) 1 where the gene is fused (with the partner), 0 where a test for fusions reached it, else NaN."""
    found = select(variant.person_id, literal(1), literal(None)).where(
        _names(gene),
        _passed(),
        variant.variant_classification == "Fusion",
        or_(variant.fusion_supporting_reads.is_(None), variant.fusion_supporting_reads >= least_reads),
        people.are(variant.person_id),
    )
    if partner:
        found = found.where(_names(partner))
    reached = _reached(people, gene_names().names(gene), test.assay == FUSIONS)
    rows, (is_fusion, _) = people.ask(union_all(reached, found))
    states = np.full(len(people), np.nan)
    fused = np.array(is_fusion, dtype=bool)
    states[rows[~fused]] = 0.0
    states[rows[fused]] = 1.0
    return states


def profile(people: People, quantity: str, feature: str) -> Floats:
    """(n,) the number of one gene or probe; of several tests of a person the mean.

    A gene's number stands under its symbol or, where a test lacks that, under another name that means it.
    """
    names = gene_names().names(feature)
    first = dict.fromkeys((feature.upper(), names.symbol.upper()))
    spellings = [*first, *sorted(names.certain - first.keys())]
    columns = genomic_profile.c
    statement = select(columns.person_id, columns.genomic_test_id, columns.block, columns.content).where(
        columns.quantity == quantity,
        columns.block.in_(sorted({block_of(name) for name in spellings})),
        people.are(columns.person_id),
    )
    rows, (tests, blocks, contents) = people.ask(statement)
    found: dict[tuple[int, int], tuple[int, float | None]] = {}  # (row, test) -> rank of the name, number
    for row, key, block, content in zip(rows.tolist(), tests, blocks, contents, strict=True):
        numbers = unpack(content)
        for rank, name in enumerate(spellings):
            if block == block_of(name) and name in numbers:
                found[row, key] = min(found.get((row, key), (rank, numbers[name])), (rank, numbers[name]))
                break
    each = np.array([row for row, _ in found], dtype=np.int64)
    return _each(people, each, as_numbers([number for _, number in found.values()]), "mean")


def copy_number_calls(people: People, gene: str) -> Floats:
    """(n,) -2 to 2: the calls that the laboratory made, else those of the gene's log2 ratio."""
    called = np.rint(profile(people, "copy number call", gene))
    return np.where(np.isnan(called), copy_number.calls(profile(people, "log2 ratio", gene)), called)


def mutational_burden(people: People, *, synonymous: bool, least_vaf: float) -> Floats:
    """(n,) somatic coding mutations per megabase, of the test that reads most; NaN where its size is unknown.

    A mutation counts once, however many genes it affects. A variant without a stated fraction counts.
    """
    sizes = select(test.person_id, test.genomic_test_id, test.target_megabases).where(
        test.assay.is_(None), test.target_megabases.is_not(None), people.are(test.person_id)
    )
    rows, (tests, megabases) = people.ask(sizes)
    counted = [*sorted(mutation.NONSYNONYMOUS), *(["Silent"] if synonymous else [])]
    places = select(
        variant.genomic_test_id,
        variant.chromosome,
        variant.position,
        variant.reference_allele,
        variant.alternate_allele,
    ).where(
        variant.variant_classification.in_(counted),
        or_(variant.vaf.is_(None), variant.vaf >= least_vaf),
        _passed(),
        _is_of("somatic"),
        people.are(variant.person_id),
    )
    each = places.distinct().subquery()
    counts = select(each.c.genomic_test_id, func.count()).group_by(each.c.genomic_test_id)
    found = {key: count for key, count in people.connection.execute(counts)}
    size = as_numbers(megabases)
    per_test = burden.burden(as_numbers([found.get(key, 0) for key in tests]), size)
    order = np.lexsort((np.array(tests, dtype=np.int64), -size, rows))
    return _each(people, rows[order], per_test[order], "first_row")


def ctdna(people: People, gene: str | None) -> Events:
    """The variant fractions of blood samples: the largest of all variants, or of one gene."""
    genes = gene_names().names(gene).certain if gene else ()
    names = sorted(f"{CTDNA}:{one}"[:50] for one in genes) or [CTDNA]
    columns = measurement.c
    asked = people.named(MEASUREMENT, names, columns.measurement_date, columns.value_as_number)
    return people.events(asked)


def purity(people: People) -> Floats:
    """(n,) the fraction of tumour cells; of several samples the mean."""
    rows, (_, numbers) = people.ask(_stated(people, PURITY))
    return _each(people, rows, as_numbers(numbers), "mean")


def _stated(people: People, name: str) -> CompoundSelect[tuple[int, int, float]]:
    """(person_id, sample, number) of what a laboratory states of samples."""
    columns = measurement.c
    return people.named(MEASUREMENT, [name], columns.measurement_event_id, columns.value_as_number)


def cancer_cell_fractions(people: People, gene: str) -> Floats:
    """(n,) of the gene's somatic nonsynonymous variants the largest fraction of tumour cells.

    It is not cut at 1: reads vary, and a fraction above 1.2 says that purity or copies are wrong, which is
    counted as a doubt. NaN where the gene has none, or the sample's purity or copy number at the variant is
    not known: the copy number is that of the sample's segment there, in a diploid or, where it is stated, the
    tumour's ploidy. On X and Y a man's normal cells have one copy, and of unknown sex nothing is said.
    """
    statement = select(
        variant.person_id,
        variant.sample_id,
        variant.vaf,
        variant.reference_genome,
        variant.chromosome,
        variant.position,
    ).where(
        _names(gene),
        _passed(),
        _is_of("somatic"),
        or_(
            variant.variant_classification.is_(None),
            variant.variant_classification.in_(sorted(mutation.NONSYNONYMOUS)),
        ),
        variant.vaf.is_not(None),
        people.are(variant.person_id),
    )
    rows, (samples, vafs, builds, chromosomes, positions) = people.ask(statement)
    purities = _of_samples(people, PURITY)
    pure = as_numbers([purities.get(sample) for sample in samples])
    ploidies = _of_samples(people, PLOIDY)
    ploidy = as_numbers([ploidies.get(sample, DIPLOID_PLOIDY) for sample in samples])
    relative = _copies_at(people, list(zip(samples, builds, chromosomes, positions, strict=True)))
    with np.errstate(divide="ignore", invalid="ignore"):
        # the ratio is to the average over the sample's cells, tumour and normal
        mixed = relative / 2.0 * (pure * ploidy + 2.0 * (1.0 - pure))
        normal = _normal_copies(people, rows, chromosomes)
        copies = np.maximum(np.rint((mixed - normal * (1.0 - pure)) / pure), 1.0)
    vaf = as_numbers(vafs)
    multiplicity = clonality.likely_multiplicity(vaf, pure, copies, normal)
    fractions = clonality.cancer_cell_fraction(vaf, pure, copies, multiplicity, normal)
    beyond = fractions > IMPLAUSIBLE_FRACTION
    people.note_doubt("fraction-above-one", int(beyond.sum()), rows[beyond])
    return _each(people, rows, fractions, "max")


def _normal_copies(people: People, rows: Integers, chromosomes: Sequence[str]) -> Floats:
    """(k,) copies in a normal cell of each variant's person; on X and Y NaN where the sex is not known.

    The ends that X and Y share are not told apart.
    """
    man = sex_is(people, "M")[rows]  # 1, 0 or NaN
    on_x, on_y = (np.array([at == name for at in chromosomes], dtype=bool) for name in ("X", "Y"))
    return clonality.NORMAL_COPIES - np.where(on_x, man, 0.0) - np.where(on_y, 2.0 - man, 0.0)


def _of_samples(people: People, name: str) -> dict[str, float]:
    """Sample -> the number that a laboratory states of it."""
    _, (keys, numbers) = people.ask(_stated(people, name))
    return {f"{key:x}": number for key, number in zip(keys, numbers, strict=True) if key is not None}


def _copies_at(people: People, places: list[tuple[str, str | None, str, int]]) -> Floats:
    """(k,) the copy number of the segment at each (sample, build, chromosome, position); NaN without one.

    A position of one genome build is not looked up in segments of another.
    """
    statement = select(
        variant.sample_id,
        variant.reference_genome,
        variant.chromosome,
        variant.position,
        variant.end_position,
        variant.copy_number,
    ).where(
        variant.variant_classification == "Copy_Number_Segment",
        variant.chromosome.in_(sorted({chromosome for *_, chromosome, _ in places if chromosome})),
        people.are(variant.person_id),
    )
    segments: dict[tuple[str, str], list[tuple[str | None, int, int, float]]] = {}
    for sample, of, chromosome, start, end, copies in people.connection.execute(statement):
        segments.setdefault((sample, chromosome), []).append((of, start, end, copies))
    found: list[float | None] = []
    for sample, build, chromosome, at in places:
        on = segments.get((sample, chromosome), ())
        known = (c for of, start, end, c in on if start <= at <= end and (of == build or None in (of, build)))
        found.append(next(known, None))
    return as_numbers(found)


def _each(
    people: People, rows: Integers, numbers: Floats, pick: Literal["mean", "max", "first_row"]
) -> Floats:
    """(n,) one number per person of numbers without a day."""
    if pick == "first_row":
        found = np.full(len(people), np.nan)
        first, place = np.unique(rows, return_index=True)
        found[first] = numbers[place]
        return found
    undated = Events(rows, np.zeros(len(rows), dtype=np.int64), numbers)
    return clinical.one_each(undated, len(people), pick)
