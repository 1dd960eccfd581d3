"""`shadowgraph data`: the hospital's own files into the CDM, and what it holds and lacks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from site_node.cli import fhir, pacs
from site_node.cli.progress import followed

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
    strand: Annotated[
        str | None, typer.Option(help="of the alleles of genotypes (PGEN, BED): forward or unknown")
    ] = None,
    checks: Annotated[
        str, typer.Option(help="of genotypes: apply, so that no study reads what fails, or report")
    ] = "apply",
    name: Annotated[str, typer.Option(help=NAME_HELP)] = "genomics",
    home: Home = Path("."),
) -> Output[Any]:
    """Load variants, fusions, copy number, expression, methylation, purity or ctDNA, told by their headers.

    Genotypes (PGEN or BED beside their two lists) stay where they lie. They need --build, and --strand
    forward where the site knows it: A/T and C/G are left out otherwise. Samples with few calls, of another
    sex than the person, or related to another, and variants with few calls or far from Hardy-Weinberg
    equilibrium are named, and read by no study.

    Without --panel a gene counts as tested only where it has a variant; without --panel-size (or a BED
    panel) there is no mutational burden; without --genes segments have no genes and counts do not become TPM.

    Example: shadowgraph data add genomics variants.maf --panel panel.bed
    """
    from site_node.actions import loads
    from site_node.cli.words import data as words

    events = loads.add_genomics(
        home,
        source,
        name=name,
        panel=panel,
        samples=samples,
        panel_size=panel_size,
        origin=origin,
        build=build,
        genes=genes,
        values=values,
        strand=strand,
        checks=checks,
    )
    return words.loaded(followed(events, "samples"))


@add_app.command("image-features")
def add_image_features(
    source: Source,
    name: Annotated[str, typer.Option(help=NAME_HELP)] = "image-features",
    home: Home = Path("."),
) -> Output[Any]:
    """Load image features that readers scored, from a CSV with the columns patient and series_uid.

    Example: shadowgraph data add image-features vasari.csv
    """
    from site_node.actions import loads
    from site_node.cli.words import data as words

    return words.loaded(followed(loads.add_image_features(home, source, name=name), "readings"))


@app.command()
def status(
    places: Annotated[bool, typer.Option("--places", help="list every place in quarantine")] = False,
    home: Home = Path("."),
) -> Output[Any]:
    """Show rows per table, the newest loads, what was in doubt, and what could not be loaded, and why.

    Example: shadowgraph data status --places
    """
    from site_node.actions import data
    from site_node.cli.words import data as words

    return Output(data.status(home, places=places), words.status)


@app.command()
def quality(
    html: Annotated[Path | None, typer.Option(help="write the whole result as one page")] = None,
    every: Annotated[bool, typer.Option("--all", help="list every check, not only what failed")] = False,
    home: Home = Path("."),
) -> Output[Any]:
    """Check conformance, completeness and plausibility, compare with the run before, and say what to do.

    Example: shadowgraph data quality --html quality.html
    """
    from site_node.actions import data
    from site_node.cli.words import data as words

    return Output(data.quality(home, html=html, every=every), words.quality)


@app.command()
def linkage(home: Home = Path(".")) -> Output[Any]:
    """Count the people with clinical, imaging and genomic data, and those who have all of it.

    Example: shadowgraph data linkage
    """
    from site_node.actions import data
    from site_node.cli.words import data as words

    return Output(data.linkage(home), words.linkage)


@app.command()
def unmapped(
    limit: Annotated[int, typer.Option(help="how many codes to show")] = 50,
    csv: Annotated[
        Path | None, typer.Option(help="write all of them, to be filled in or read by Usagi")
    ] = None,
    home: Home = Path("."),
) -> Output[Any]:
    """List the codes without a standard concept, those that touch most people first.

    Example: shadowgraph data unmapped --limit 20 --csv codes.csv
    """
    from site_node.actions import data
    from site_node.cli.words import data as words

    return Output(data.unmapped(home, limit=limit, csv=csv), words.unmapped)


@app.command("map")
def map_(
    file: Annotated[Path, typer.Argument(help="a CSV with the columns of source_to_concept_map")],
    home: Home = Path("."),
) -> Output[Any]:
    """Load the site's own map of codes (Usagi's export) and map the records anew by it.

    Example: shadowgraph data map local-codes.csv
    """
    from site_node.actions import mapping
    from site_node.cli.words import data as words

    return words.remapped(followed(mapping.map_codes(home, file), "records"))


@app.command()
def remap(home: Home = Path(".")) -> Output[Any]:
    """Map anew what is loaded, where the map, the vocabulary or the profile changed; needs no source.

    Example: shadowgraph data remap
    """
    from site_node.actions import mapping
    from site_node.cli.words import data as words

    return words.remapped(followed(mapping.remap(home), "records"))


@app.command()
def manifest() -> Output[Any]:
    """Show which FHIR this node accepts, and which tables of OMOP it fills from it.

    Example: shadowgraph data manifest --json
    """
    from site_node.actions import data
    from site_node.cli.words import data as words

    return Output(data.manifest(), words.manifest)


@vocabulary_app.command("load")
def vocabulary_load(
    file: Annotated[Path, typer.Argument(help="the zip that athena.ohdsi.org sends, or a CSV of concepts")],
    home: Home = Path("."),
) -> Output[Any]:
    """Load the vocabularies of an Athena export or a list of concepts, and map the records anew by it.

    Example: shadowgraph data vocabulary load vocabulary_download_v5.zip
    """
    from site_node.actions import mapping
    from site_node.cli.words import data as words

    return words.remapped(followed(mapping.load_vocabulary(home, file), "rows"))
