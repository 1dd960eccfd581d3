"""`shadowgraph data`: the hospital's own files into the CDM, and what it holds and lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from site_node.cli import pacs
from site_node.cli.progress import by_kind, counted

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Load the hospital's files into its CDM.")
add_app = typer.Typer(no_args_is_help=True, help="Load files; what is there already is not loaded twice.")
vocabulary_app = typer.Typer(no_args_is_help=True, help="The standard vocabularies, as Athena exports them.")
app.add_typer(add_app, name="add")
app.add_typer(vocabulary_app, name="vocabulary")
add_app.command("dicom")(pacs.add_dicom)
app.command()(pacs.listen)
app.command()(pacs.deidentify)

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HOME", help="the site's folder")]
Source = Annotated[Path, typer.Argument(help="a file or a folder")]
NAME_HELP = "what this source is called here; give two servers two names"


@add_app.command("fhir")
def add_fhir(
    source: Source,
    name: Annotated[str, typer.Option(help=NAME_HELP)] = "fhir",
    validate: Annotated[str, typer.Option(help="resources to validate first: all, sample, none")] = "none",
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load FHIR R4: NDJSON (Bulk Data) and bundles, plain or gzip, from a file or a folder and below.

    Example: shadowgraph data add fhir export/
    """
    from protocols.core.errors import Code, InputError
    from site_node.config import load
    from site_node.loading import add_fhir
    from site_node.sources.fhir import Validate

    if validate not in list(Validate):
        raise InputError(Code.INVALID_INPUT, "--validate takes all, sample or none")
    with counted("resources") as progress:
        return by_kind(add_fhir(load(home), source, name, Validate(validate), progress))


@add_app.command("genomics")
def add_genomics(
    source: Source,
    panel: Annotated[
        str | None, typer.Option(help="what was tested: exome, genome, or a file of gene symbols")
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="a list of the samples that were tested")] = None,
    name: Annotated[str, typer.Option(help=NAME_HELP)] = "genomics",
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load variants from MAF and VCF; without --panel a gene counts as tested only where it has a variant.

    Example: shadowgraph data add genomics variants.maf --panel panel.txt
    """
    from site_node.config import load
    from site_node.loading import add_genomics

    with counted("samples") as progress:
        return by_kind(add_genomics(load(home), source, name, panel, samples, progress))


@add_app.command("image-features")
def add_image_features(
    source: Source,
    name: Annotated[str, typer.Option(help=NAME_HELP)] = "image-features",
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load image features that readers scored, from a CSV with the columns patient and series_uid.

    Example: shadowgraph data add image-features vasari.csv
    """
    from site_node.config import load
    from site_node.loading import add_image_features

    with counted("readings") as progress:
        return by_kind(add_image_features(load(home), source, name, progress))


@app.command()
def status(
    places: Annotated[bool, typer.Option("--places", help="list every place in quarantine")] = False,
    home: Home = Path("."),
) -> dict[str, Any]:
    """Show rows a table, the newest loads, and what could not be loaded, with the reason.

    Example: shadowgraph data status --places
    """
    from cdm.etl import report

    with _cdm(home) as engine:
        return {
            "rows": report.table_counts(engine),
            "loads": report.loads(engine),
            "quarantine": report.quarantined_places(engine) if places else report.quarantined(engine),
        }


@app.command()
def unmapped(
    limit: Annotated[int, typer.Option(help="how many codes to show")] = 50, home: Home = Path(".")
) -> list[dict[str, Any]]:
    """List the codes without a standard concept, those that touch most people first.

    Example: shadowgraph data unmapped --limit 20
    """
    from cdm.etl import report
    from site_node.config import load
    from site_node.identity import site_identity

    with _cdm(home) as engine:
        return report.unmapped(engine, site_identity(load(home)))[:limit]


@app.command("map")
def map_(
    file: Annotated[Path, typer.Argument(help="a CSV with the columns of source_to_concept_map")],
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load the site's own map of codes (Usagi's export); the next `data add` maps the records anew.

    Example: shadowgraph data map local-codes.csv
    """
    from cdm.source_map import load_source_map

    with _cdm(home) as engine, _clear_errors(file):
        return {"mapped": load_source_map(engine, file), "next": "run `data add` again to map the records"}


@vocabulary_app.command("load")
def vocabulary_load(
    file: Annotated[Path, typer.Argument(help="the zip that athena.ohdsi.org sends")], home: Home = Path(".")
) -> dict[str, Any]:
    """Load the vocabularies of an Athena export; the next `data add` maps the records anew.

    Example: shadowgraph data vocabulary load vocabulary_download_v5.zip
    """
    from cdm.athena import load_athena

    with _cdm(home) as engine, _clear_errors(file), counted("rows") as progress:
        return dict(load_athena(engine, file, progress))


@contextmanager
def _cdm(home: Path) -> Iterator[Any]:
    """The engine of the site's CDM."""
    from site_node.config import load
    from site_node.loading import open_cdm

    engine = open_cdm(load(home))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _clear_errors(file: Path) -> Iterator[None]:
    """Turns what is wrong with a vocabulary file into an error with an exit code."""
    from cdm.vocabulary import VocabularyFileError
    from protocols.core.errors import Code, InputError

    if not file.is_file():
        raise InputError(Code.NOT_FOUND, f"there is no file {file.name}")
    try:
        yield
    except VocabularyFileError as error:
        raise InputError(Code.INVALID_INPUT, str(error)) from None
