"""The settings that come with the engine, one file a modality: the only place where a default is chosen."""

from functools import cache
from pathlib import Path

from protocols.core.errors import Code, InputError

from ..settings import Settings

OF_MODALITY = {"CT": "ct", "MR": "mr", "PT": "pet"}  # DICOM's name of the modality -> preset
PRESETS = tuple(OF_MODALITY.values())


@cache
def preset(name: str) -> Settings:
    """The settings of a preset: ct, mr or pet. Raises InputError where there is none of that name."""
    if name not in PRESETS:
        raise InputError(Code.NOT_FOUND, f"no preset {name}", "There are: " + ", ".join(PRESETS))
    return Settings.load(Path(__file__).with_name(f"{name}.yaml"))
