"""`shadowgraph radiomics`: the engine alone, on files."""

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True)


@app.command(no_args_is_help=True)
def radiomics(
    image: Annotated[Path, typer.Argument(help="NIfTI file, or the folder of one DICOM series.")],
    mask: Annotated[Path, typer.Argument(help="NIfTI labels, or an RTSTRUCT or SEG file.")],
    config: Annotated[Path | None, typer.Option(help="Settings in IBSI's terms (YAML).")] = None,
    preset: Annotated[str, typer.Option(help="ct, mr or pet, where no file of settings is given.")] = "ct",
    region: Annotated[list[str] | None, typer.Option(help="Only this region; repeatable.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the features to this file too.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw image and regions to this PNG, to check.")
    ] = None,
    stability: Annotated[
        bool, typer.Option("--stability", help="How well each feature repeats, in place of its values.")
    ] = False,
) -> dict[str, Any]:
    """Compute the features of an image by the IBSI standard.

    --stability adds noise to, shifts, turns and redraws each region a little, and gives the intraclass
    correlation of each feature over all regions (at least two), the least stable first.

    Example: shadowgraph radiomics ct.nii.gz tumour.nii.gz --preset ct --json
    """
    if stability:
        if picture is not None:
            raise typer.BadParameter("--picture and --stability do not go together")
        from site_node.radiomics_stability import stability_of_files

        return stability_of_files(image, mask, config, preset, region or [], csv)
    from site_node.radiomics_files import features_of_files

    return features_of_files(image, mask, config, preset, region or [], csv, picture)
