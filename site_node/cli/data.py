"""`shadowgraph data`: the hospital's own files into the CDM, and what it holds and lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from site_node.cli import fhir, pacs
from site_node.cli.progress import by_kind, counted

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Load the hospital's files into its CDM.")
add_app = typer.Typer(no_args_is_help=True, help="Load files; what is there already is not loaded twice.")
vocabulary_app = typer.Typer(no_args_is_help=True, help="The standard vocabularies, as Athena exports them.")
app.add_typer(add_app, name="add")
app.add_typer(vocabulary_app, name="vocabulary")
add_app.command("fhir")(fhir.add_fhir)
add_app.command("dicom")(pacs.add_dicom)
app.command()(pacs.listen)
app.command()(pacs.deidentify)

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HOME", help="the site's folder")]
Source = Annotated[Path, typer.Argument(help="a file or a folder")]
NAME_HELP = "what this source is called here; give two servers two names"


@add_app.command("genomics")
def add_genomics(
    source: Source,
    panel: Annotated[
        str | None, typer.Option(help="exome, genome, transcriptome, or a file of the genes tested")
    ] = None,
    samples: Annotated[Path | None, typer.Option(help="a list of the samples that were tested")] = None,
    panel_size: Annotated[
        float | None, typer.Option(help="megabases that the test reads, for the mutational burden")
    ] = None,
    origin: Annotated[
        str | None, typer.Option(help="somatic or germline, where the files do not say")
    ] = None,
    build: Annotated[str | None, typer.Option(help="genome build, such as GRCh38")] = None,
    genes: Annotated[Path | None, typer.Option(help="GTF or BED: where genes lie and their lengths")] = None,
    values: Annotated[
        str | None, typer.Option(help="a table's numbers: counts, tpm, fpkm, log2-tpm, beta, m, …")
    ] = None,
    name: Annotated[str, typer.Option(help=NAME_HELP)] = "genomics",
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load variants, fusions, copy number, expression, methylation, purity or ctDNA, told by their headers.

    Without --panel a gene counts as tested only where it has a variant; without --panel-size (or a BED
    panel) there is no mutational burden; without --genes segments have no genes and counts do not become TPM.

    Example: shadowgraph data add genomics variants.maf --panel panel.bed
    """
    from site_node.home.config import load
    from site_node.ingest.loading import add_genomics
    from site_node.sources.genomics import Told

    told = Told(panel, samples, panel_size, origin, build, genes, values)
    with counted("samples") as progress:
        return by_kind(add_genomics(load(home), source, name, told, progress))


@add_app.command("image-features")
def add_image_features(
    source: Source,
    name: Annotated[str, typer.Option(help=NAME_HELP)] = "image-features",
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load image features that readers scored, from a CSV with the columns patient and series_uid.

    Example: shadowgraph data add image-features vasari.csv
    """
    from site_node.home.config import load
    from site_node.ingest.loading import add_image_features

    with counted("readings") as progress:
        return by_kind(add_image_features(load(home), source, name, progress))


@app.command()
def status(
    places: Annotated[bool, typer.Option("--places", help="list every place in quarantine")] = False,
    home: Home = Path("."),
) -> dict[str, Any]:
    """Show rows per table, the newest loads, what was in doubt, and what could not be loaded, and why.

    Example: shadowgraph data status --places
    """
    from cdm.etl.loader import report

    with _cdm(home) as engine:
        return {
            "rows": report.table_counts(engine),
            "loads": report.loads(engine),
            "doubts": report.doubts(engine),
            "quarantine": report.quarantined_places(engine) if places else report.quarantined(engine),
        }


@app.command()
def quality(
    html: Annotated[Path | None, typer.Option(help="write the whole result as one page")] = None,
    every: Annotated[bool, typer.Option("--all", help="list every check, not only what failed")] = False,
    home: Home = Path("."),
) -> dict[str, Any]:
    """Check conformance, completeness and plausibility, compare with the run before, and say what to do.

    Example: shadowgraph data quality --html quality.html
    """
    from site_node.home.config import load
    from site_node.quality import assess
    from site_node.quality.page import write_page

    with _cdm(home) as engine:
        found = assess(engine, load(home).name, home)
    if html is not None:
        write_page(found, html)
    return found.summary(every=every)


@app.command()
def linkage(home: Home = Path(".")) -> list[dict[str, Any]]:
    """Count the people with clinical, imaging and genomic data, and those who have all of it.

    Example: shadowgraph data linkage
    """
    from cdm.linkage import funnel

    with _cdm(home) as engine:
        return [{"people with": kind, "people": people} for kind, people in funnel(engine).items()]


@app.command()
def unmapped(
    limit: Annotated[int, typer.Option(help="how many codes to show")] = 50,
    csv: Annotated[
        Path | None, typer.Option(help="write all of them, to be filled in or read by Usagi")
    ] = None,
    home: Home = Path("."),
) -> list[dict[str, Any]]:
    """List the codes without a standard concept, those that touch most people first.

    Example: shadowgraph data unmapped --limit 20 --csv codes.csv
    """
    from cdm.etl.loader import report
    from cdm.vocabulary.csv_file import inert
    from site_node.home.config import load
    from site_node.home.identity import site_identity

    with _cdm(home) as engine:
        lines = report.unmapped(engine, site_identity(load(home)))
    if csv is not None:
        report.write_codes(lines, csv)
    return [{**line, "system": inert(line["system"]), "code": inert(line["code"])} for line in lines[:limit]]


@app.command("map")
def map_(
    file: Annotated[Path, typer.Argument(help="a CSV with the columns of source_to_concept_map")],
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load the site's own map of codes (Usagi's export) and map the records anew by it.

    Example: shadowgraph data map local-codes.csv
    """
    from cdm.vocabulary.source_map import load_source_map

    with _cdm(home) as engine, _clear_errors(file):
        mapped = load_source_map(engine, file)
    return {"mapped": mapped, **remap(home)}


@app.command()
def remap(home: Home = Path(".")) -> dict[str, Any]:
    """Map anew what is loaded, where the map, the vocabulary or the profile changed; needs no source.

    Example: shadowgraph data remap
    """
    from site_node.home.config import load
    from site_node.ingest.loading import remap

    with counted("records") as progress:
        return remap(load(home), progress)


@app.command()
def manifest() -> dict[str, Any]:
    """Show which FHIR this node accepts, and which tables of OMOP it fills from it.

    Example: shadowgraph data manifest --json
    """
    from cdm.etl.loader.capabilities import manifest

    return manifest()


@vocabulary_app.command("load")
def vocabulary_load(
    file: Annotated[Path, typer.Argument(help="the zip that athena.ohdsi.org sends, or a CSV of concepts")],
    home: Home = Path("."),
) -> dict[str, Any]:
    """Load the vocabularies of an Athena export or a list of concepts, and map the records anew by it.

    Example: shadowgraph data vocabulary load vocabulary_download_v5.zip
    """
    from cdm.vocabulary.athena import load_athena
    from cdm.vocabulary.concept_list import load_concept_list

    is_list = file.name.lower().endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz"))
    with _cdm(home) as engine, _clear_errors(file), counted("rows") as progress:
        loaded = dict((load_concept_list if is_list else load_athena)(engine, file, progress))
    return {**loaded, **remap(home)}


@contextmanager
def _cdm(home: Path) -> Iterator[Any]:
    """The engine of the site's CDM."""
    from site_node.home.cdm import open_cdm
    from site_node.home.config import load

    engine = open_cdm(load(home))
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _clear_errors(file: Path) -> Iterator[None]:
    """Turns what is wrong with a vocabulary file into an error with an exit code."""
    from cdm.vocabulary.names import VocabularyFileError
    from protocols.core.errors import Code, InputError

    if not file.is_file():
        raise InputError(Code.NOT_FOUND, f"there is no file {file.name}")
    try:
        yield
    except VocabularyFileError as error:
        raise InputError(Code.INVALID_INPUT, str(error)) from None
