"""What a person can measure on the site's images, and ask of its images and genomic tests."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from protocols.runtime.events import Progress, Tell, as_events
from site_node.features.radiomics import Settings
from site_node.governance import audit
from site_node.home.cdm import opened_cdm
from site_node.home.config import load
from site_node.home.identity import site_identity
from site_node.images import feature_store
from site_node.ingest import genomic_status


@dataclass(frozen=True)
class Failure:
    """How many regions could not be measured for one reason."""

    code: str
    reason: str
    regions: int


@dataclass(frozen=True)
class Measured:
    """What was done, in regions: each is computed, skipped (it was measured before) or failed."""

    computed: int
    skipped: int
    failed: int
    features: int
    failures: tuple[Failure, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class ModalityStatus:
    """Images of one modality, how many of them have regions and features, and how many of these."""

    modality: str
    images: int
    images_with_regions: int
    regions: int
    images_measured: int
    features: int


@dataclass(frozen=True)
class ImageStatus:
    """What was measured on images, by modality; and what could not be measured."""

    modalities: tuple[ModalityStatus, ...]
    failures: tuple[Failure, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class AssayStatus:
    """One kind of test: people, samples, findings, and the quantities kept of each gene or probe."""

    assay: str
    people: int
    samples: int
    findings: int
    of_each_gene: str


@dataclass(frozen=True)
class GenomicStatus:
    """What genomic tests know of the site's people, by kind of test."""

    assays: tuple[AssayStatus, ...]
    schema_version: int = 1


def compute(
    home: Path,
    *,
    settings: Path | None = None,
    regions: Mapping[str, str] | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
) -> Iterator[Progress | Measured]:
    """The images done so far of how many, and at the end what was computed, skipped and failed.

    Args:
        settings: YAML, one for all; without it each modality's preset.
        regions: name -> pattern of the regions to measure; all under their own names without it.
        jobs: how many processes; one per core without it.
        cluster: address of a Dask cluster, in place of processes.

    Raises:
        InputError: the settings are not valid, or the cluster does not answer.
    """
    config = load(home)
    chosen = Settings.load(settings) if settings else None

    def work(tell: Tell) -> Measured:
        with opened_cdm(config) as engine:
            done = feature_store.compute(
                engine,
                home,
                site_identity(config),
                settings=chosen,
                patterns=dict(regions or {}),
                jobs=jobs or os.cpu_count() or 1,
                cluster=cluster,
                progress=lambda count, total: tell(Progress(count, total)),
            )
            failures = tuple(Failure(**line) for line in feature_store.failures(engine))
        audit.act(home, "features-computed", regions=done.computed, failed=done.failed)
        return Measured(done.computed, done.skipped, done.failed, done.features, failures)

    return as_events(work)


def image_status(home: Path) -> ImageStatus:
    """How many images have regions and features, by modality, and what could not be measured."""
    with opened_cdm(load(home)) as engine:
        failures = tuple(Failure(**line) for line in feature_store.failures(engine))
        modalities = tuple(ModalityStatus(**line) for line in feature_store.status(engine))
        return ImageStatus(modalities, failures)


def genomics_status(home: Path) -> GenomicStatus:
    """The people, samples and findings by kind of test; features are computed when a study asks."""
    with opened_cdm(load(home)) as engine:
        return GenomicStatus(tuple(AssayStatus(**line) for line in genomic_status.status(engine)))
