"""Readers of the genomic kinds: variants, fusions, copies, expression, methylation, and what sums them up."""

from protocols.core.variables.genomic import (
    CancerCellFraction,
    CirculatingDna,
    CopyNumber,
    Dosage,
    Expression,
    Fusion,
    Gene,
    Methylation,
    MutationalBurden,
    PolygenicScore,
    Purity,
)
from site_node.features.clinical import Events, one_each
from site_node.features.genomics.expression import log2_1p
from site_node.features.genomics.methylation import m_value
from site_node.study_table import genomic_records, germline
from site_node.study_table.people import People
from site_node.study_table.readers.reader import ColumnReader, Columns, DatedReader


def gene(variable: Gene, people: People) -> Columns:
    return (genomic_records.gene_states(people, variable.gene, variable.origin),)


def fusion(variable: Fusion, people: People) -> Columns:
    return (genomic_records.fusion_states(people, variable.gene, variable.partner, variable.least_reads),)


def copy_number(variable: CopyNumber, people: People) -> Columns:
    if variable.unit == "call":
        return (genomic_records.copy_number_calls(people, variable.gene),)
    return (genomic_records.profile(people, "log2 ratio", variable.gene),)


def expression(variable: Expression, people: People) -> Columns:
    values = genomic_records.profile(people, variable.unit.removeprefix("log2_"), variable.gene)
    return (log2_1p(values) if variable.unit.startswith("log2_") else values,)


def methylation(variable: Methylation, people: People) -> Columns:
    beta = genomic_records.profile(people, "beta", variable.probe)
    return (m_value(beta) if variable.unit == "m" else beta,)


def mutational_burden(variable: MutationalBurden, people: People) -> Columns:
    synonymous, least_vaf = variable.synonymous, variable.least_vaf
    return (genomic_records.mutational_burden(people, synonymous=synonymous, least_vaf=least_vaf),)


def ctdna(variable: CirculatingDna, people: People) -> Columns:
    return (one_each(ctdna_events(variable, people), len(people), variable.pick),)


def ctdna_events(variable: CirculatingDna, people: People) -> Events:
    found = genomic_records.ctdna(people, variable.gene)
    return found.within(variable.window.from_days, variable.window.to_days)


def dosage(variable: Dosage, people: People) -> Columns:
    return (germline.dosages(people, variable.build, (variable.variant,))[:, 0],)


def polygenic_score(variable: PolygenicScore, people: People) -> Columns:
    return (germline.score(people, variable),)


def purity(variable: Purity, people: People) -> Columns:
    return (genomic_records.purity(people),)


def cancer_cell_fraction(variable: CancerCellFraction, people: People) -> Columns:
    return (genomic_records.cancer_cell_fractions(people, variable.gene),)


READERS = (
    ColumnReader(Gene, gene),
    ColumnReader(Fusion, fusion),
    ColumnReader(CopyNumber, copy_number),
    ColumnReader(Expression, expression),
    ColumnReader(Methylation, methylation),
    ColumnReader(MutationalBurden, mutational_burden),
    DatedReader(CirculatingDna, ctdna, ctdna_events),
    ColumnReader(Dosage, dosage),
    ColumnReader(PolygenicScore, polygenic_score),
    ColumnReader(Purity, purity),
    ColumnReader(CancerCellFraction, cancer_cell_fraction),
)
