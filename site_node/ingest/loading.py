"""From a hospital's files into its CDM: one function per kind of file, all through the one loader."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cdm.database import connect
from cdm.etl import SourceRecord, Unreadable
from cdm.etl.loader.load import BATCH, finish_parts, load
from cdm.etl.loader.load import remap as etl_remap
from cdm.etl.loader.parts import Part
from cdm.etl.loader.summary import LoadSummary
from cdm.progress import Progress
from protocols.core.errors import Code, InputError, not_found
from site_node.home.cdm import open_cdm, opened_cdm
from site_node.home.config import SiteConfig
from site_node.home.identity import site_identity
from site_node.ingest.genotype_checks import Filesets, check_filesets
from site_node.sources import dicom, fhir, genomics, image_features

SAMPLES_AT_ONCE = 8  # the methylation of one sample is 6 MB, and stands in memory more than once


def add_fhir(
    config: SiteConfig,
    path: Path,
    name: str,
    validate: fhir.Validate,
    progress: Progress,
    processes: int = 1,
) -> dict[str, Any]:
    """The summary of loading the FHIR files at `path`; `progress` is told of records loaded.

    Of several processes each maps and writes a part of the records. On PostgreSQL they write at once; on
    SQLite one maps while another writes.
    """
    _must_exist(path)
    if processes == 1:
        records = fhir.validated(fhir.read(path), validate)
        return _something(load_records(config, records, name, progress), path)
    engine, others = open_cdm(config), range(1, processes)
    try:
        with ProcessPoolExecutor(processes - 1, mp_context=get_context("spawn")) as pool:
            waiting = [
                pool.submit(_load_part, config, path, name, validate, Part(other, processes))
                for other in others
            ]
            parts = [_load_part(config, path, name, validate, Part(0, processes), progress)]
            parts += [one.result() for one in waiting]
        return _something(finish_parts(engine, parts, site_identity(config), config.mapping).as_dict(), path)
    finally:
        engine.dispose()


def _load_part(
    config: SiteConfig,
    path: Path,
    name: str,
    validate: fhir.Validate,
    part: Part,
    progress: Progress = lambda count: None,
) -> LoadSummary:
    """What one of several processes loaded of the files at `path`."""
    engine = connect(config.database_url)
    try:
        records = fhir.validated(fhir.read(path), validate)
        return load(
            *(engine, records, name, site_identity(config)),
            progress=lambda count: progress(count * part.of),  # the others are about as far
            profile=config.mapping,
            part=part,
        )
    finally:
        engine.dispose()


def add_dicom(config: SiteConfig, path: Path, name: str, progress: Progress) -> dict[str, Any]:
    """The summary of loading the DICOM files below `path`; `progress` is told of headers read."""
    _must_exist(path)
    told = 0

    def headers_read(count: int) -> None:
        nonlocal told
        progress(count - told)
        told = count

    records = dicom.read(path, config.home, headers_read)
    return _something(load_records(config, records, name, lambda count: None), path)


def add_genomics(
    config: SiteConfig,
    path: Path,
    name: str,
    told: genomics.Told,
    progress: Progress,
    *,
    apply_checks: bool = True,
) -> dict[str, Any]:
    """The summary of loading the genomic files at `path`; `told` is what the files do not say.

    Genotypes are checked then; what fails is read by no study, unless `apply_checks` is false.
    """
    _must_exist(path)
    filesets = Filesets()
    records = filesets.noting(genomics.read(path, **vars(told)))
    summary = _something(load_records(config, records, name, progress, batch_size=SAMPLES_AT_ONCE), path)
    with opened_cdm(config) as engine:
        return {**summary, "genotypes": check_filesets(engine, filesets, apply=apply_checks)}


def add_image_features(config: SiteConfig, path: Path, name: str, progress: Progress) -> dict[str, Any]:
    """The summary of loading a CSV of readers' scores."""
    _must_exist(path)
    return _something(load_records(config, image_features.read(path), name, progress), path)


def remap(config: SiteConfig, progress: Progress) -> dict[str, Any]:
    """What became of the records of each source, mapped anew from what was kept of them."""
    engine = open_cdm(config)
    try:
        summaries = etl_remap(engine, site_identity(config), progress, config.mapping)
    finally:
        engine.dispose()
    lines = [
        {
            "source": summary.source,
            "remapped": sum(counts.replaced for counts in summary.kinds.values()),
            "quarantined": summary.quarantined,
        }
        for summary in summaries
    ]
    return {"partial": any(line["quarantined"] for line in lines), "sources": lines}


def load_records(
    config: SiteConfig,
    records: Iterable[SourceRecord | Unreadable],
    name: str,
    progress: Progress,
    batch_size: int = BATCH,
) -> dict[str, Any]:
    """The summary of loading records of a source that is called `name`."""
    engine = open_cdm(config)
    try:
        identity = site_identity(config)
        summary = load(engine, records, name, identity, progress, batch_size, config.mapping)
        return summary.as_dict()
    finally:
        engine.dispose()


def _something(summary: dict[str, Any], path: Path) -> dict[str, Any]:
    """The summary of a load that met a record, be it good or bad.

    Raises:
        InputError: nothing was found to load, which is rarely intended when a path is given.
    """
    if not summary["kinds"]:
        raise InputError(
            Code.NOT_FOUND,
            f"nothing that could be loaded was found in {path.name}",
            "look at the path and the kind of files; folders that are links are not followed",
        )
    return summary


def _must_exist(path: Path) -> None:
    if not path.exists():
        raise not_found(path, "file or folder", "give the path of what to load")
