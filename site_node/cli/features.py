"""`shadowgraph features`: what is measured on the site's images, and how far that has come."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from site_node.cli.inbox import Home

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure the site's images and tests.")
radiomics = typer.Typer(no_args_is_help=True, help="IBSI features of the regions drawn on the images.")
app.add_typer(radiomics, name="radiomics")
genomics = typer.Typer(no_args_is_help=True, help="What genomic tests know of the site's people.")
app.add_typer(genomics, name="genomics")


@radiomics.command()
def compute(
    home: Home = Path("."),
    settings: Annotated[
        Path | None, typer.Option(help="YAML, one for all; without: each modality's preset")
    ] = None,
    region: Annotated[list[str] | None, typer.Option(help="NAME=PATTERN, such as 'GTV=gtv*'; repeat")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="how many processes; without: one per core")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="address of a Dask cluster, such as tls://10.0.0.5:8786; not --jobs")
    ] = None,
) -> Output[Any]:
    """Measure every region that is not measured yet with these settings; what fails goes to quarantine.

    Hospitals name regions differently: --region 'GTV=*gtv*' measures the one that fits as GTV.

    Example: shadowgraph features radiomics compute --region 'GTV=*gtv*'
    """
    from site_node.actions import features
    from site_node.cli.progress import followed
    from site_node.cli.words import features as words

    regions = _patterns(region or [])
    events = features.compute(home, settings=settings, regions=regions, jobs=jobs, cluster=cluster)
    return Output(followed(events, "images"), words.measured)


@radiomics.command()
def status(home: Home = Path(".")) -> Output[Any]:
    """Show how many images have regions and features, by modality, and what could not be measured.

    Example: shadowgraph features radiomics status
    """
    from site_node.actions import features
    from site_node.cli.words import features as words

    return Output(features.image_status(home), words.images)


@genomics.command("status")
def genomics_status(home: Home = Path(".")) -> Output[Any]:
    """Show people, samples and findings by kind of test; genomic features are computed when a study asks.

    Example: shadowgraph features genomics status
    """
    from site_node.actions import features
    from site_node.cli.words import features as words

    return Output(features.genomics_status(home), words.genomics)


def _patterns(given: list[str]) -> dict[str, str]:
    """`NAME=PATTERN` as name -> pattern."""
    for text in given:
        name, equals, pattern = text.partition("=")
        if not (name and equals and pattern):
            raise typer.BadParameter("write --region NAME=PATTERN, such as --region 'GTV=*gtv*'")
    return {name: pattern for name, _, pattern in (text.partition("=") for text in given)}
