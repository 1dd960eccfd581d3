"""What people read of the CDM and of loads."""

from typing import Any

from cdm.vocabulary.csv_file import inert
from protocols.core.errors import ExitCode
from protocols.runtime.output import Output
from site_node.actions.data import DataStatus, Linkage, Manifest, QualityView, ReadResource, UnmappedCodes
from site_node.actions.loads import Copied, GenotypesChecked, Loaded, Received
from site_node.actions.mapping import Remapped

Row = dict[str, Any]


def loaded(found: Loaded) -> Output[Loaded]:
    """What became of a load, and whether all of it could be loaded."""
    return Output(found, _loaded, _code(found.partial))


def _loaded(found: Loaded) -> Row:
    said: Row = {} if found.received is None else {"received": found.received, "position": found.position}
    said |= {
        "source": found.source,
        "partial": found.partial,
        "waiting": found.waiting,
        "unmapped_codes": found.unmapped_codes,
        "doubts": dict(found.doubts),
        "kinds": [{**vars(kind), "excluded": dict(kind.excluded) or 0} for kind in found.kinds],
    }
    if found.strangers:
        said["strangers"] = (
            f"{found.strangers} people of this source are nobody's Patient here: is it the same kind of id?"
        )
    if found.genotypes:
        said["genotypes"] = [_checked(one) for one in found.genotypes]
    if found.partial:
        said["next"] = "shadowgraph data status: what was not loaded, and why"
    return said


def _checked(found: GenotypesChecked) -> Row:
    """A fileset's checks: how many lines of its samples fail, and which."""
    lines = {
        f"samples: {code}": f"{len(at)} (lines {', '.join(map(str, at[:20]))}{', …' * (len(at) > 20)})"
        for code, at in found.sample_lines.items()
    }
    variants = {f"variants: {code}": count for code, count in found.variants_left_out.items()}
    about = {name: getattr(found, name) for name in ("fileset", "build", "strand", "samples", "variants")}
    return {**about, **lines, **variants, **found.told, "left out of studies": found.applied}


def remapped(found: Remapped) -> Output[Remapped]:
    """What became of what was mapped anew."""
    return Output(found, _remapped, _code(found.partial))


def _remapped(found: Remapped) -> Row:
    return {
        **found.mapped,
        "partial": found.partial,
        "sources": [vars(source) for source in found.sources],
    }


def received(found: Received) -> Row:
    """What came while the site listened."""
    return {"received": found.received, "refused": found.refused, "studies": found.studies}


def copied(found: Copied) -> Row:
    """How many images were copied, and how many were not, by reason."""
    return {"copied": found.copied, "left out": [vars(line) for line in found.left_out]}


def status(found: DataStatus) -> Row | str:
    """What the CDM holds and lacks; of an empty one what to do next."""
    if not (found.rows or found.loads or found.quarantine):
        return "nothing is loaded yet: shadowgraph data add ..."
    return {
        "rows": dict(found.rows),
        "loads": [vars(one) for one in found.loads],
        "doubts": [vars(one) for one in found.doubts],
        "quarantine": [vars(one) for one in found.quarantine],
    }


def quality(found: QualityView) -> Row:
    """What the checks found."""
    return {
        "site": found.site,
        "checks": found.checks,
        "failed": found.failed,
        "matrix": [vars(row) for row in found.matrix],
        "broken since the run before": list(found.broken),
        "mended since the run before": list(found.mended),
        "trend": [{**vars(run), "checked_at": f"{run.checked_at:%Y-%m-%dT%H:%M}"} for run in found.trend],
        "linkage": dict(found.linkage),
        "findings": [vars(row) for row in found.findings],
    }


def linkage(found: Linkage) -> list[Row]:
    """One row per combination of data."""
    return [{"people with": kind, "people": people} for kind, people in found.people.items()]


def unmapped(found: UnmappedCodes) -> list[Row]:
    """One row per code."""
    return [{**vars(one), "system": inert(one.system), "code": inert(one.code)} for one in found.codes]


def manifest(found: Manifest) -> Row:
    """The declaration, row by row."""
    return {
        **{name: value for name, value in vars(found).items() if name != "schema_version"},
        **{"fhir_versions": list(found.fhir_versions), "use_cases": list(found.use_cases)},
        **{"resources": [_resource(row) for row in found.resources]},
        **{"tables": [vars(row) for row in found.tables]},
    }


def _resource(row: ReadResource) -> Row:
    return {"kind": row.kind, "profiles": list(row.profiles), "tables": list(row.tables)}


def _code(partial: bool) -> ExitCode:
    return ExitCode.PARTIAL if partial else ExitCode.DONE
