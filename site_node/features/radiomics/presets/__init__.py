"""The settings that come with the engine, one file per modality: the only place where a default is chosen."""

from functools import cache
from pathlib import Path

from protocols.core.errors import Code, InputError

from ..settings import Settings

OF_MODALITY = {"CT": "ct", "MR": "mr", "PT": "pet"}  # DICOM's name of the modality -> preset
OF_MAPS = "map"
PRESETS = (*OF_MODALITY.values(), OF_MAPS)


@cache
def preset(name: str) -> Settings:
    """The settings of a preset: ct, mr, pet or map. Raises InputError where there is none of that name."""
    if name not in PRESETS:
        raise InputError(Code.NOT_FOUND, f"no preset {name}", "There are: " + ", ".join(PRESETS))
    return Settings.load(Path(__file__).with_name(f"{name}.yaml"))
