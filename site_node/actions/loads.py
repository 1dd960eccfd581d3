"""What a person can load into the CDM: FHIR, images, genomics, readers' scores."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any

from cdm import progress
from cdm.etl.loader import report
from protocols.core.errors import Code, InputError, not_found
from protocols.runtime.events import Progress, Tell, as_events, counted
from site_node.governance import audit
from site_node.home.cdm import opened_cdm
from site_node.home.config import SiteConfig, load
from site_node.ingest import fhir_servers, loading, receiving
from site_node.ingest.receiving import Tls
from site_node.sources.dicom.copies import copy_folder
from site_node.sources.fhir import Validate
from site_node.sources.genomics import Told

MOST_PROCESSES = 64


@dataclass(frozen=True)
class KindLoaded:
    """What became of the records of one kind; `excluded` maps a reason to records that make no row."""

    kind: str
    loaded: int
    unchanged: int
    replaced: int
    removed: int
    quarantined: int
    not_mapped_yet: int
    excluded: Mapping[str, int]


@dataclass(frozen=True)
class GenotypesChecked:
    """What the checks of a fileset of genotypes found.

    Attributes:
        fileset, build, strand: its file, and what was said of it.
        samples, variants: how many it has.
        sample_lines: reason -> lines of the list of samples, counted without its header, that no study reads.
        variants_left_out: reason -> how many variants no study reads.
        told: what else was seen, by code.
        applied: whether they are left out, or only told of.
    """

    fileset: str
    build: str
    strand: str
    samples: int
    variants: int
    sample_lines: Mapping[str, tuple[int, ...]]
    variants_left_out: Mapping[str, int]
    told: Mapping[str, int]
    applied: bool


@dataclass(frozen=True)
class Loaded:
    """What became of the records of one source.

    Attributes:
        partial: whether some could not be loaded, or wait for their patient.
        waiting: records whose patient is not here.
        unmapped_codes: codes that met no standard concept.
        doubts: what was not wholly understood, by code.
        kinds: by kind of record.
        strangers: people of this source whose ids no Patient bears here; the load is partial where they are
            more than half of its people, since then the ids may be of another kind.
        received: objects that a PACS sent; None for files.
        position: where the next pull from the server goes on; None for files.
        genotypes: what the checks of each fileset of genotypes found.
    """

    source: str
    partial: bool
    waiting: int
    unmapped_codes: int
    doubts: Mapping[str, int]
    kinds: tuple[KindLoaded, ...]
    received: int | None = None
    position: str | None = None
    strangers: int = 0
    genotypes: tuple[GenotypesChecked, ...] = ()
    schema_version: int = 1


@dataclass(frozen=True)
class Listening:
    """The listener is open to senders."""

    title: str
    bind: str
    port: int
    schema_version: int = 1


@dataclass(frozen=True)
class Received:
    """What came while the site listened."""

    received: int
    refused: int
    studies: int
    schema_version: int = 1


@dataclass(frozen=True)
class NotCopied:
    """How many files were not copied, for one reason."""

    code: str
    files: int
    reason: str


@dataclass(frozen=True)
class Copied:
    """Images that were copied without identity, and those left out."""

    copied: int
    left_out: tuple[NotCopied, ...]
    schema_version: int = 1


def add_fhir(
    home: Path,
    source: str,
    *,
    name: str = "fhir",
    validate: str = "none",
    since: str | None = None,
    kinds: tuple[str, ...] = (),
    client_id: str | None = None,
    key: Path | None = None,
    processes: int = 1,
) -> Iterator[Progress | Loaded]:
    """The resources loaded so far, and at the end what became of all.

    Args:
        source: a file, a folder, or a URL: a FHIR base, or its $export.
        name: what this source is called here.
        validate: the resources to validate first: all, sample or none.
        since: pull from a server what changed since this instant; `all` for everything.
        kinds: the kinds of resources to pull; all where it is empty.
        client_id, key: how the server knows this site (SMART Backend Services).
        processes: how many processes map and write the resources of files.

    Raises:
        InputError: there is nothing to load, or an argument is not valid.
        UnreachableError: the server does not answer.
    """
    if validate not in list(Validate):
        raise InputError(Code.INVALID_INPUT, "--validate takes all, sample or none")
    if not 1 <= processes <= MOST_PROCESSES:
        raise InputError(Code.INVALID_INPUT, f"--processes takes 1 to {MOST_PROCESSES}")
    config, how = load(home), Validate(validate)
    if not fhir_servers.is_url(source):
        return _load(
            config,
            "fhir",
            name,
            lambda more: loading.add_fhir(config, Path(source), name, how, more, processes),
        )
    request = fhir_servers.Request(source, since, kinds, client_id, key)
    return _load(
        config, "fhir", name, lambda more: fhir_servers.add_fhir_server(config, request, name, how, more)
    )


def add_dicom(
    home: Path,
    source: str,
    *,
    name: str | None = None,
    since: str | None = None,
    orthanc: bool = False,
    credentials: Path | None = None,
    own_title: str = receiving.OWN_TITLE,
    move_port: int | None = None,
    bind: str = "127.0.0.1",
) -> Iterator[Progress | Loaded]:
    """The files or objects read so far, and at the end what became of all series and regions.

    Args:
        source: a file, a folder, a URL, or AETITLE@host:port.
        since: pull from this day (YYYY-MM-DD) on, or `all`; None goes on where the last pull ended.
        orthanc: the URL is an Orthanc's: follow its list of changes, whose positions are not days.

    Raises:
        InputError: there is nothing to load, or an argument is not valid.
        UnreachableError: the PACS does not answer.
    """
    config, position = load(home), _position(since, orthanc)
    if not receiving.is_pacs(source):
        called = name or "dicom"
        return _load(
            config, "dicom", called, lambda more: loading.add_dicom(config, Path(source), called, more)
        )
    pacs = receiving.pacs_at(
        source,
        orthanc=orthanc,
        credentials=credentials,
        own_title=own_title,
        move_port=move_port,
        bind=bind,
    )
    called = name or "pacs"
    return _load(config, "dicom", called, lambda more: receiving.pull(config, pacs, called, position, more))


def add_genomics(
    home: Path,
    source: Path,
    *,
    name: str = "genomics",
    panel: str | None = None,
    samples: Path | None = None,
    panel_size: float | None = None,
    origin: str | None = None,
    build: str | None = None,
    genes: Path | None = None,
    values: str | None = None,
    strand: str | None = None,
    checks: str = "apply",
) -> Iterator[Progress | Loaded]:
    """The samples loaded so far, and at the end what became of all.

    Args:
        source: a file or folder of variants, fusions, copy number, expression, methylation, purity or ctDNA.
        panel: exome, genome, transcriptome, or a file of the genes tested.
        samples: a list of the samples that were tested.
        panel_size: megabases that the test reads, for the mutational burden.
        origin: somatic or germline, where the files do not say.
        build: genome build, such as GRCh38.
        genes: GTF or BED: where genes lie and their lengths.
        values: a table's numbers: counts, tpm, fpkm, log2-tpm, beta, m.
        strand: of the alleles of genotypes: forward, or unknown.
        checks: of genotypes: apply, so that no study reads what fails them, or report, to be told alone.

    Raises:
        InputError: there is nothing to load, or an argument is not valid.
    """
    if checks not in ("apply", "report"):
        raise InputError(Code.INVALID_INPUT, "--checks takes apply or report")
    config, told = load(home), Told(panel, samples, panel_size, origin, build, genes, values, strand)
    apply = checks == "apply"
    return _load(
        *(config, "genomics", name),
        lambda more: loading.add_genomics(config, source, name, told, more, apply_checks=apply),
    )


def add_image_features(
    home: Path, source: Path, *, name: str = "image-features"
) -> Iterator[Progress | Loaded]:
    """The readings loaded so far, and at the end what became of all rows of a CSV of readers' scores.

    Raises:
        InputError: there is nothing to load.
    """
    config = load(home)
    return _load(
        config, "image-features", name, lambda more: loading.add_image_features(config, source, name, more)
    )


def listen(
    home: Path,
    *,
    allow: tuple[str, ...] = (),
    port: int = 11112,
    bind: str = "127.0.0.1",
    own_title: str = receiving.OWN_TITLE,
    name: str = "pacs",
    certificate: Path | None = None,
    key: Path | None = None,
    authority: Path | None = None,
    stop: Event,
) -> Iterator[Progress | Listening | Received]:
    """What comes from allowed senders (C-STORE) until `stop`: when the port is open, objects so far, the sum.

    Args:
        certificate, key: the listener's own, in PEM, with which it speaks TLS.
        authority: of the certificates that senders then have to show.

    Raises:
        SiteError: no sender is allowed.
        InputError: the extra for DICOM messages is not installed, or the files for TLS are not usable.
    """
    config, tls = load(home), _tls(certificate, key, authority)
    audit.act(home, "listening", source=name, allowed=len(allow), tls=int(tls is not None))

    def work(tell: Callable[[Any], None]) -> Received:
        counts = receiving.listen(
            config,
            name,
            allow,
            own_title=own_title,
            bind=bind,
            port=port,
            tls=tls,
            stop=stop,
            serves=lambda opened: tell(Listening(own_title, bind, opened)),
            progress=counted(tell),
        )
        return Received(**counts)

    return as_events(work)


def deidentify(home: Path, source: Path, out: Path) -> Iterator[Progress | Copied]:
    """The files read so far, and at the end how many were copied without identity (PS3.15, the site's key).

    Raises:
        InputError: `source` does not exist, or `out` is not empty or lies inside of it.
    """
    config = load(home)
    if not source.exists():
        raise not_found(source, "file or folder")

    def work(tell: Tell) -> Copied:
        found = copy_folder(source, out, config.pseudonym_key(), counted(tell))
        audit.act(home, "deidentified", copied=found["copied"])
        return Copied(found["copied"], tuple(NotCopied(**line) for line in found["left out"]))

    return as_events(work)


def _load(
    config: SiteConfig, kind: str, name: str, read: Callable[[progress.Progress], dict[str, Any]]
) -> Iterator[Progress | Loaded]:
    def work(tell: Tell) -> Loaded:
        outcome = "failed"
        try:
            summary = _with_strangers(config, name, read(counted(tell)))
            outcome = "partial" if summary["partial"] else "done"
        finally:  # what was committed before an error or an interruption stays loaded
            audit.act(config.home, "loaded", kind=kind, source=name, outcome=outcome)
        return _loaded(summary)

    return as_events(work)


def _with_strangers(config: SiteConfig, name: str, summary: dict[str, Any]) -> dict[str, Any]:
    """The summary, which is partial if most people of the source are nobody's patients here."""
    with opened_cdm(config) as engine:
        unknown, everybody = report.strangers(engine, name)
    return {**summary, "strangers": unknown, "partial": summary["partial"] or 2 * unknown > everybody}


def _loaded(summary: dict[str, Any]) -> Loaded:
    kinds = tuple(KindLoaded(kind, **counts) for kind, counts in summary["kinds"].items())
    genotypes = tuple(GenotypesChecked(**one) for one in summary.get("genotypes", ()))
    return Loaded(**{**summary, "kinds": kinds, "genotypes": genotypes})


def _tls(certificate: Path | None, key: Path | None, authority: Path | None) -> Tls | None:
    """The files for TLS that were named; None where none was.

    Raises:
        InputError: a certificate without its key, or a key or an authority without a certificate.
    """
    if certificate is None and key is None and authority is None:
        return None
    if certificate is None or key is None:
        raise InputError(Code.INVALID_INPUT, "TLS needs a certificate and its key", "--certificate and --key")
    return Tls(certificate, key, authority)


def _position(since: str | None, orthanc: bool) -> str | None:
    """What `since` means to a pull: None goes on, an empty position begins anew."""
    if since is None or since == "all":
        return "" if since else None
    if orthanc:
        raise InputError(Code.INVALID_INPUT, "Orthanc's changes have numbers, not days", "write --since all")
    try:
        return date.fromisoformat(since).strftime("%Y%m%d")
    except ValueError:
        raise InputError(
            Code.INVALID_INPUT, "--since is not a valid day", "write --since YYYY-MM-DD, or --since all"
        ) from None
