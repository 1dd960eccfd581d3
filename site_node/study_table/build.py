"""From the CDM to the table that a study computes on: one column a variable, one query each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import singledispatch

import numpy as np
from sqlalchemy import Engine

from cdm.etl.imaging.image_feature import radiomic_name
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Episodes, fold_hashes
from protocols.core.variables import (
    Age,
    CancerCellFraction,
    CirculatingDna,
    CopyNumber,
    Dated,
    Expression,
    Finding,
    Fusion,
    Gene,
    ImageFeature,
    Measurement,
    Methylation,
    MutationalBurden,
    Occurrence,
    Purity,
    Radiomic,
    Scanner,
    Sex,
    Survival,
    columns_of,
)
from site_node.features.arrays import Floats
from site_node.features.clinical import Events, one_each, spells
from site_node.features.genomics.expression import log2_1p
from site_node.features.genomics.methylation import m_value
from site_node.study_table import cohort, genomic_records, records, sealing
from site_node.study_table.people import People
from site_node.study_table.quantities import measured

Columns = tuple[Floats, ...]


@dataclass(frozen=True)
class Built:
    """A study's table, and how many people were left after each step of its cohort.

    `doubts` says of a variable how many records were left out or read by a policy, by kind of doubt.
    """

    table: AnalysisTable
    attrition: list[tuple[str, int]]
    doubts: dict[str, dict[str, int]] = field(default_factory=dict)


def build_table(
    engine: Engine, study: Study, site_name: str, sealed: sealing.SealedCohort | None = None
) -> Built:
    """The study's table of this site's people, in ascending order of person_id; of the sealed ones if given.

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
        doubts: dict[str, dict[str, int]] = {}
        for name, variable in study.variables.items():
            if not isinstance(variable, Scanner):
                columns |= zip(columns_of(name, variable), read(variable, people), strict=True)
                doubts |= {name: dict(people.doubts)} if people.doubts else {}
                people.doubts.clear()
        labels = {
            name: records.scanners(people, variable.modality, variable.by)
            for name, variable in study.variables.items()
            if isinstance(variable, Scanner)
        }
        changing = episodes(study, people, columns)
    hashes = fold_hashes(people.persons, bytes.fromhex(study.hash()))
    attrition = dict(found.attrition)
    table = AnalysisTable(site_name, people.persons, columns, labels, hashes, attrition, changing)
    return Built(table, found.attrition, doubts)


@singledispatch
def read(variable: object, people: People) -> Columns:
    """The (n,) arrays that a variable becomes, as many as `columns_of` names."""
    raise NotImplementedError(type(variable).__name__)


@read.register
def _(variable: Age, people: People) -> Columns:
    return (records.ages(people),)


@read.register
def _(variable: Sex, people: People) -> Columns:
    return (records.sex_is(people, variable.is_),)


@read.register
def _(variable: Measurement | Finding | CirculatingDna, people: People) -> Columns:
    return (one_each(dated(variable, people), len(people), variable.pick),)


@read.register
def _(variable: Occurrence, people: People) -> Columns:
    return (np.nan_to_num(one_each(dated(variable, people), len(people), "any")),)


def dated(variable: Dated, people: People) -> Events:
    """The dated values in its window that a variable is made of."""
    match variable:
        case Measurement():
            return measured(people, variable)
        case Finding():
            events = records.findings(people, [variable.concept], variable.values)
        case Occurrence():
            events = records.occurrences(people, variable.domain, [variable.concept])
        case CirculatingDna():
            events = genomic_records.ctdna(people, variable.gene)
    return events.within(variable.window.from_days, variable.window.to_days)


def episodes(study: Study, people: People, columns: Mapping[str, Floats]) -> dict[str, Episodes]:
    """For each survival variable with changing ones: its follow-up, cut where they change."""
    found = {}
    for outcome, survival in study.variables.items():
        if not isinstance(survival, Survival) or not survival.changing:
            continue
        changing = {name: study.variables[name] for name in survival.changing}
        events = {name: dated(one, people) for name, one in changing.items() if isinstance(one, Dated)}
        absent = {name: 0.0 for name, one in changing.items() if isinstance(one, Occurrence)}
        cut = spells(events, absent, columns[f"{outcome}.time"], columns[f"{outcome}.event"])
        found[outcome] = Episodes(cut.rows, cut.start, cut.stop, cut.event, cut.columns)
    return found


@read.register
def _(variable: Gene, people: People) -> Columns:
    return (genomic_records.gene_states(people, variable.gene, variable.origin),)


@read.register
def _(variable: Fusion, people: People) -> Columns:
    return (genomic_records.fusion_states(people, variable.gene, variable.partner, variable.least_reads),)


@read.register
def _(variable: CopyNumber, people: People) -> Columns:
    if variable.unit == "call":
        return (genomic_records.copy_number_calls(people, variable.gene),)
    return (genomic_records.profile(people, "log2 ratio", variable.gene),)


@read.register
def _(variable: Expression, people: People) -> Columns:
    values = genomic_records.profile(people, variable.unit.removeprefix("log2_"), variable.gene)
    return (log2_1p(values) if variable.unit.startswith("log2_") else values,)


@read.register
def _(variable: Methylation, people: People) -> Columns:
    beta = genomic_records.profile(people, "beta", variable.probe)
    return (m_value(beta) if variable.unit == "m" else beta,)


@read.register
def _(variable: MutationalBurden, people: People) -> Columns:
    synonymous, least_vaf = variable.synonymous, variable.least_vaf
    return (genomic_records.mutational_burden(people, synonymous=synonymous, least_vaf=least_vaf),)


@read.register
def _(variable: Purity, people: People) -> Columns:
    return (genomic_records.purity(people),)


@read.register
def _(variable: CancerCellFraction, people: People) -> Columns:
    return (genomic_records.cancer_cell_fractions(people, variable.gene),)


@read.register
def _(variable: ImageFeature, people: People) -> Columns:
    return (records.scores(people, variable.feature),)


@read.register
def _(variable: Radiomic, people: People) -> Columns:
    names = [
        radiomic_name(variable.modality, variable.region, tag, variable.filter)
        for tag in radiomic_tags(variable.feature)
    ]
    return (records.radiomics(people, names),)


@read.register
def _(variable: Survival, people: People) -> Columns:
    if variable.endpoint == "overall":
        return records.overall_survival(people)
    return records.progression_free_survival(people)


def radiomic_tags(feature: str) -> list[str]:
    """The tags that a study may mean: itself, then those of that IBSI name or code, volumetric ones first."""
    from site_node.features.radiomics.extraction import MODULES  # the kernels load only for a study that asks
    from site_node.features.radiomics.feature import AGGREGATION_CODES

    definitions = [one for module in MODULES.values() for one in module.FAMILY.definitions]
    wanted = feature.casefold()
    tags = [
        one.tag
        for one in definitions
        if wanted in (one.tag.casefold(), one.name.casefold(), one.code.casefold())
    ]
    volumetric_first = sorted(AGGREGATION_CODES, key=lambda name: not name.startswith("3D"))
    return [feature, *tags, *(f"{tag}_{name}" for tag in tags for name in volumetric_first)]
