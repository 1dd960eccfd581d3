"""What a person can ask of the CDM: its rows, loads and quarantine, its quality, links and unmapped codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cdm.etl.loader import capabilities, report
from cdm.linkage import funnel
from cdm.quality.history import Run
from site_node import quality as checked
from site_node.home.cdm import opened_cdm
from site_node.home.config import load
from site_node.home.identity import site_identity
from site_node.quality import CheckResult, ChecksOfKind
from site_node.quality.page import write_page


@dataclass(frozen=True)
class LoadRun:
    """One load: of what, when, and what became of the records."""

    source: str
    started: str
    status: str
    loaded: int
    unchanged: int
    replaced: int
    removed: int
    quarantined: int
    not_mapped_yet: int
    excluded: int


@dataclass(frozen=True)
class DoubtGroup:
    """What was read and not wholly understood: how many records, how often, what it means, what to do."""

    source: str
    kind: str
    doubt: str
    records: int
    times: int
    means: str
    way_out: str


@dataclass(frozen=True)
class QuarantineGroup:
    """What could not be loaded for one reason: how many places, and the first."""

    source: str
    kind: str
    code: str
    reason: str
    places: int
    first: str


@dataclass(frozen=True)
class QuarantinedPlace:
    """One place that could not be loaded."""

    source: str
    position: str
    kind: str
    code: str
    reason: str


@dataclass(frozen=True)
class DataStatus:
    """Rows per table, the newest loads first, what is in doubt, and the quarantine in groups or places."""

    rows: Mapping[str, int]
    loads: tuple[LoadRun, ...]
    doubts: tuple[DoubtGroup, ...]
    quarantine: tuple[QuarantineGroup | QuarantinedPlace, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class QualityView:
    """What the checks found.

    Attributes:
        matrix: the checks by category and context of Kahn's frame.
        broken, mended: the checks that fail, or no longer fail, since the run before.
        trend: the runs of the checks, the newest last.
        linkage: people by what there is of them.
        findings: of the checks that failed, or of all.
    """

    site: str
    checks: int
    failed: int
    matrix: tuple[ChecksOfKind, ...]
    broken: tuple[str, ...]
    mended: tuple[str, ...]
    trend: tuple[Run, ...]
    linkage: Mapping[str, int]
    findings: tuple[CheckResult, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Linkage:
    """The number of people by what there is of them, from everybody to all three kinds."""

    people: Mapping[str, int]
    schema_version: int = 1


@dataclass(frozen=True)
class UnmappedCode:
    """A code without a standard concept: where it stands, in how many rows, of how many people."""

    system: str
    code: str
    source_value: str
    column: str
    rows: int
    people: int


@dataclass(frozen=True)
class UnmappedCodes:
    """The codes without a standard concept, those that touch most people first."""

    codes: tuple[UnmappedCode, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class ReadResource:
    """A kind of FHIR resource: the profiles whose elements are read, and the tables that it may fill."""

    kind: str
    profiles: tuple[str, ...]
    tables: tuple[str, ...]


@dataclass(frozen=True)
class FilledTable:
    """A table of OMOP, and whether it is populated fully or partially."""

    table: str
    populated: str


@dataclass(frozen=True)
class Manifest:
    """Which FHIR this node accepts, by kind of resource, and which tables of OMOP it fills."""

    software: str
    mapping: str
    fhir_versions: tuple[str, ...]
    cdm_version: str
    guide: str
    use_cases: tuple[str, ...]
    resources: tuple[ReadResource, ...]
    tables: tuple[FilledTable, ...]
    schema_version: int = 1


def status(home: Path, *, places: bool = False) -> DataStatus:
    """What the CDM holds, and what could not be loaded: by reason, or every place."""
    with opened_cdm(load(home)) as engine:
        rows, loads = report.table_counts(engine), report.loads(engine)
        doubts = tuple(DoubtGroup(**line) for line in report.doubts(engine))
        quarantine: list[QuarantineGroup | QuarantinedPlace] = (
            [QuarantinedPlace(**line) for line in report.quarantined_places(engine)]
            if places
            else [QuarantineGroup(**line) for line in report.quarantined(engine)]
        )
    return DataStatus(rows, tuple(LoadRun(**line) for line in loads), doubts, tuple(quarantine))


def quality(home: Path, *, html: Path | None = None, every: bool = False) -> QualityView:
    """Conformance, completeness and plausibility now, compared with the run before.

    Args:
        html: where to write the whole result as one page.
        every: list every check, not only what failed.
    """
    config = load(home)
    with opened_cdm(config) as engine:
        found = checked.assess(engine, config.name, home)
    if html is not None:
        write_page(found, html)
    failing = found.failing()
    return QualityView(
        site=found.site,
        checks=len(found.findings),
        failed=len(failing),
        matrix=tuple(found.checks_by_kind()),
        broken=tuple(" ".join(key).strip() for key in found.change.broken),
        mended=tuple(" ".join(key).strip() for key in found.change.mended),
        trend=tuple(found.runs),
        linkage=found.funnel,
        findings=tuple(CheckResult.of(one) for one in (found.findings if every else failing)),
    )


def linkage(home: Path) -> Linkage:
    """The people with clinical, imaging and genomic data, and those who have all of it."""
    with opened_cdm(load(home)) as engine:
        return Linkage(funnel(engine))


def unmapped(home: Path, *, limit: int = 50, csv: Path | None = None) -> UnmappedCodes:
    """The codes without a standard concept, at most `limit` of them; all are written to `csv`.

    Args:
        csv: where to write them to be filled in, or read by Usagi.
    """
    config = load(home)
    with opened_cdm(config) as engine:
        lines = report.unmapped(engine, site_identity(config))
    if csv is not None:
        report.write_codes(lines, csv)
    return UnmappedCodes(tuple(UnmappedCode(**line) for line in lines[:limit]))


def manifest() -> Manifest:
    """The declaration of this transformation, for machines."""
    said = capabilities.manifest()
    resources = tuple(
        ReadResource(one["kind"], tuple(one["profiles"]), tuple(one["tables"])) for one in said["resources"]
    )
    tables = tuple(FilledTable(**line) for line in said["tables"])
    return Manifest(**{**said, "resources": resources, "tables": tables})
