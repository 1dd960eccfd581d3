"""`shadowgraph features`: what is measured on the site's images, and how far that has come."""

from pathlib import Path
from typing import Annotated, Any

import typer

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
    jobs: Annotated[int | None, typer.Option(min=1, help="how many processes; without: one a core")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="address of an engine Dask, such as tcp://10.0.0.5:8786; not --jobs")
    ] = None,
) -> dict[str, Any]:
    """Measure every region that is not measured yet with these settings; what fails goes to quarantine.

    Hospitals name regions differently: --region 'GTV=*gtv*' measures the one that fits as GTV.

    Example: shadowgraph features radiomics compute --region 'GTV=*gtv*'
    """
    import os
    from dataclasses import asdict

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from site_node.features.radiomics import Settings
    from site_node.home import config
    from site_node.home.cdm import open_cdm
    from site_node.home.identity import site_identity
    from site_node.images import feature_store

    site = config.load(home)
    engine = open_cdm(site)
    columns = (TextColumn("images"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("images", total=None)
            done = feature_store.compute(
                engine,
                home,
                site_identity(site),
                settings=Settings.load(settings) if settings else None,
                patterns=_patterns(region or []),
                jobs=jobs or os.cpu_count() or 1,
                cluster=cluster,
                progress=lambda count, total: bar.update(task, completed=count, total=total),
            )
        return asdict(done) | {"failures": feature_store.failures(engine)}
    finally:
        engine.dispose()


@radiomics.command()
def status(home: Home = Path(".")) -> dict[str, Any]:
    """Show how many images have regions and features, by modality, and what could not be measured.

    Example: shadowgraph features radiomics status
    """
    from site_node.home import config
    from site_node.home.cdm import open_cdm
    from site_node.images import feature_store

    engine = open_cdm(config.load(home))
    try:
        return {"modalities": feature_store.status(engine), "failures": feature_store.failures(engine)}
    finally:
        engine.dispose()


@genomics.command("status")
def genomics_status(home: Home = Path(".")) -> list[dict[str, Any]]:
    """Show people, samples and findings by kind of test; genomic features are computed when a study asks.

    Example: shadowgraph features genomics status
    """
    from site_node.home import config
    from site_node.home.cdm import open_cdm
    from site_node.ingest import genomic_status

    engine = open_cdm(config.load(home))
    try:
        return genomic_status.status(engine)
    finally:
        engine.dispose()


def _patterns(given: list[str]) -> dict[str, str]:
    """`NAME=PATTERN` as name -> pattern."""
    for text in given:
        name, equals, pattern = text.partition("=")
        if not (name and equals and pattern):
            raise typer.BadParameter("write --region NAME=PATTERN, such as --region 'GTV=*gtv*'")
    return {name: pattern for name, _, pattern in (text.partition("=") for text in given)}
