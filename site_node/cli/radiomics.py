"""`shadowgraph radiomics`: the engine alone, on files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command(no_args_is_help=True)
def radiomics(
    image: Path,
    mask: Path,
    config: Annotated[Path | None, typer.Option(help="Settings in IBSI's terms (YAML).")] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="ct, mr, pet or map, where no file of settings is given; without: the modality's"),
    ] = None,
    map_name: Annotated[
        str | None,
        typer.Option(
            "--map", help="Measure adc, r2_star, t1, ktrans, ve, vp, rcbv, suv_lbm or suv_bsa of a series."
        ),
    ] = None,
    t1: Annotated[
        Path | None, typer.Option(help="Images with several flip angles, for the T1 of ktrans, ve and vp.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="b-values or times of a NIfTI's volumes (CSV); without: beside it.")
    ] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only this region; repeatable.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the features to this file too.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw image and regions to this PNG, to check.")
    ] = None,
    stability: Annotated[
        bool, typer.Option("--stability", help="How well each feature repeats, in place of its values.")
    ] = False,
) -> Output[Any]:
    """Compute the features of an image by the IBSI standard.

    IMAGE is a NIfTI file or the folder of one DICOM series; MASK a NIfTI with labels, an RTSTRUCT or a SEG.

    --stability adds noise to, shifts, turns and redraws each region a little, and gives the intraclass
    correlation of each feature over all regions (at least two), the least stable first.

    --map adc makes the map of a series of many volumes first, and measures that.

    Example: shadowgraph radiomics ct.nii.gz tumour.nii.gz --preset ct --json
    """
    from site_node.actions import radiomics
    from site_node.cli.words import radiomics as words
    from site_node.images.files import Asked

    _check_alone(stability, picture)
    asked = Asked(image, mask, config, preset, region or [], map_name, t1, table)
    if stability:
        return words.stability(radiomics.stability(asked, csv=csv))
    return words.features(radiomics.measure(asked, csv=csv, picture=picture))


def _check_alone(stability: bool, picture: Path | None) -> None:
    if stability and picture is not None:
        raise typer.BadParameter("--picture and --stability cannot be combined")
