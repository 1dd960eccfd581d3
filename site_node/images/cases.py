"""One image and its regions of interest: what is measured on it, and the measuring, without a database."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cdm.etl.imaging.image_feature import word_of
from site_node.features.functional.maps import LACKS, NoMapError
from site_node.features.functional.settings import modality_of
from site_node.features.radiomics import ENGINE, VERSION, Feature, Settings, extract_regions
from site_node.features.radiomics.presets import OF_MODALITY, preset
from site_node.images.functional_maps import open_scan
from site_node.images.scan import Scan
from site_node.sources.dicom.faults import REASONS, DicomFault, Fault
from site_node.sources.dicom.index import ImageIndex, IndexedRegions
from site_node.sources.regions import read_regions

Patterns = Mapping[str, str]  # the name of a region in studies -> a pattern of names at this site (`*gtv*`)
UNFILTERED = "none"  # what a study says for the image without a filter
UCUM = str.maketrans("²³·", "23.")
FAILED = ("radiomics-failed", "the engine failed on this image; please report it with the image's modality")
KILLED = ("radiomics-killed", "the process ended while it measured this image: out of memory?")
OTHER_VERSION = ("radiomics-other-version", "the process that measured has another version of the engine")
AMBIGUOUS = ("radiomics-ambiguous-region", "several regions of one object fit one name; narrow the pattern")
VERSIONS = ("radiomics-region-versions", "several objects of one day, and no times to tell which is newer")
TOGETHER = 8  # regions in one pass: their masks are in memory together


@dataclass(frozen=True)
class Place:
    """An image series of the CDM."""

    image_occurrence_id: int
    person_id: int
    day: date
    modality: str
    series_uid: str


@dataclass(frozen=True)
class Drawn:
    """A region to measure: its name in studies, the file and the name there, and what will be said of it.

    `word` is the name as features have it, of two names that would be one there distinct; `fault` is the code
    and reason why it cannot be measured.
    """

    name: str
    file: str
    name_there: str
    algorithm: str
    word: str = ""
    fault: tuple[str, str] | None = None


class Chosen(NamedTuple):
    """The object and the name there of a region, or why it is not told which."""

    found: IndexedRegions
    name_there: str
    fault: tuple[str, str] | None = None


@dataclass(frozen=True)
class Case:
    """One image and the regions to measure on it: all that a process needs to know."""

    place: Place
    files: tuple[str, ...]
    regions: tuple[Drawn, ...]
    settings: Settings


@dataclass(frozen=True)
class Outcome:
    """The features of one region as plain data, or the code and reason why there are none."""

    region: Drawn
    features: tuple[dict[str, Any], ...] = ()
    fault: tuple[str, str] | None = None


def cases(
    index: ImageIndex, places: Iterable[Place], patterns: Patterns, settings: Settings | None
) -> Iterator[Case]:
    """The images that have a region to measure; `settings` None stands for each modality's preset."""
    only = modality_of(settings.map) if settings and settings.map else None
    for place in places:
        if only not in (None, place.modality):
            continue
        series = index.series.get(place.series_uid)
        objects = index.regions.get(place.series_uid)
        if series and objects:
            chosen = settings or preset(OF_MODALITY[place.modality])
            picked = choose(objects, patterns)
            words = distinct_words(picked)
            regions = tuple(
                Drawn(
                    name,
                    one.found.file,
                    one.name_there,
                    _algorithm(chosen, series.instances, one, name, words[name]),
                    words[name],
                    one.fault,
                )
                for name, one in picked.items()
            )
            yield Case(place, series.files, regions, chosen)


def choose(objects: Iterable[IndexedRegions], patterns: Patterns) -> dict[str, Chosen]:
    """The region to measure under each name: its object, and its name there.

    Without patterns every region goes by its own name. Of several objects with a region of a name the newest
    counts, by the day and the time at which its content was last modified: a revision.
    """
    with_name: dict[str, list[Chosen]] = defaultdict(list)
    for one in sorted(objects, key=lambda one: (one.day, one.time, one.sop_uid)):
        for name, pattern in patterns.items() or [(name, "") for name in one.names]:
            fitting = [n for n in one.names if _fits(n, pattern)] if pattern else [name]
            if fitting:
                with_name[name].append(Chosen(one, fitting[0], AMBIGUOUS if len(fitting) > 1 else None))
    return {name: _newest(found) for name, found in with_name.items()}


def _newest(found: list[Chosen]) -> Chosen:
    """The last of these in ascending time, with a fault where the time does not tell it from another."""
    last = found[-1]
    is_told = all(_is_older(one.found, last.found) for one in found[:-1])
    return last if is_told else last._replace(fault=VERSIONS)


def _is_older(one: IndexedRegions, other: IndexedRegions) -> bool:
    """Whether it is known that one was drawn before the other."""
    if not one.day or one.day != other.day:
        return bool(one.day) and one.day < other.day
    known = min(len(one.time), len(other.time))  # a time to the minute may be any of its seconds
    return one.time[:known] < other.time[:known]


def distinct_words(names: Iterable[str]) -> dict[str, str]:
    """Each name as features have it: where names would fold into one there, with a hash behind it.

    The name that needs no folding stays as it is.
    """
    folded: dict[str, list[str]] = defaultdict(list)
    for name in names:
        folded[word_of(name)].append(name)
    alone = {alike[0] for alike in folded.values() if len(alike) == 1} | folded.keys()
    return {
        name: name if name in alone else f"{name}~{blake2b(name.encode(), digest_size=4).hexdigest()}"
        for alike in folded.values()
        for name in alike
    }


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name.casefold(), pattern.casefold())


def _algorithm(settings: Settings, instances: str, one: Chosen, name: str, word: str) -> str:
    """What computed a number and from what: equal strings mean an equal number under an equal name."""
    parts = [instances, one.found.sop_uid, one.name_there, *([word] if word != name else [])]
    inputs = blake2b("\x1f".join(parts).encode(), digest_size=8).hexdigest()
    return f"{ENGINE} {VERSION} settings {settings.digest()[:16]} input {inputs}"


def measure(case: Case) -> list[Outcome]:
    """What became of each region of the case; nothing that an image or region contains raises."""
    if any(not region.algorithm.startswith(f"{ENGINE} {VERSION} ") for region in case.regions):
        return [Outcome(region, fault=OTHER_VERSION) for region in case.regions]  # a cluster's worker
    try:
        image = open_scan([Path(file) for file in case.files], case.settings)
    except Exception as error:  # one image must not stop the others
        return [Outcome(region, fault=_told(error)) for region in case.regions]
    settings = case.settings.in_unit(image.unit)
    batches = (case.regions[at : at + TOGETHER] for at in range(0, len(case.regions), TOGETHER))
    return [outcome for regions in batches for outcome in _measured(image, regions, settings)]


def measure_in_bytes(case: Case) -> bytes:
    """What `measure` says, as JSON: position of the region in the case, features, fault."""
    said = [[case.regions.index(o.region), o.features, o.fault] for o in measure(case)]
    return json.dumps(said).encode()


def outcomes_of(case: Case, said: bytes) -> list[Outcome]:
    """The outcomes that `measure_in_bytes` wrote; a worker that writes anything else failed for the case."""
    try:
        return [_outcome(case, *one) for one in json.loads(said)]
    except (ValueError, TypeError, IndexError):
        return killed(case)


def _outcome(case: Case, position: int, features: list[Any], fault: list[str] | None) -> Outcome:
    if not all(isinstance(feature, dict) for feature in features):
        raise TypeError("a feature that is not one")
    code_and_reason = None if fault is None else (str(fault[0]), str(fault[1]))
    return Outcome(case.regions[position], tuple(features), code_and_reason)


def _measured(image: Scan, regions: Iterable[Drawn], settings: Settings) -> list[Outcome]:
    """What became of each region; those that can be read are measured in one pass."""
    masks: dict[str, NDArray[np.bool_]] = {}
    faults: dict[str, tuple[str, str]] = {}
    for region in regions:
        if region.fault:
            faults[region.name] = region.fault
            continue
        try:
            masks[region.name] = _mask(image, region)
        except Exception as error:  # one region must not stop the others
            faults[region.name] = _told(error)
    try:
        array = image.near(masks.values(), settings)
    except Exception as error:  # a map that cannot be made
        return [Outcome(region, fault=faults.get(region.name, _told(error))) for region in regions]
    features = _extracted(array, image.spacing_mm, masks, settings)
    return [
        Outcome(region, tuple(_plain(feature, settings) for feature in features[region.name]))
        if region.name in features
        else Outcome(region, fault=faults.get(region.name, FAILED))
        for region in regions
    ]


def _mask(image: Scan, region: Drawn) -> NDArray[np.bool_]:
    assert image.grid is not None
    mask = read_regions(Path(region.file), image.grid, [region.name_there])[region.name_there]
    if not mask.any():
        raise DicomFault(Fault.EMPTY_REGION)
    return mask


def _extracted(
    image: NDArray[np.number],
    spacing_mm: tuple[float, float, float],
    masks: Mapping[str, NDArray[np.bool_]],
    settings: Settings,
) -> dict[str, list[Feature]]:
    """The features of each region; one on which the engine fails, as it must not, is absent."""
    try:
        return extract_regions(image, masks, spacing_mm, settings)
    except Exception:
        found: dict[str, list[Feature]] = {}
        for name, mask in masks.items() if len(masks) > 1 else ():
            found |= _extracted(image, spacing_mm, {name: mask}, settings)
        return found


def killed(case: Case) -> list[Outcome]:
    """What is said of the regions of a case whose process ended."""
    return [Outcome(region, fault=KILLED) for region in case.regions]


def _told(error: Exception) -> tuple[str, str]:
    """The code and reason of an error; of one that is not ours, no word of its text."""
    if isinstance(error, NoMapError):
        return error.lack.value, LACKS[error.lack]
    return (error.fault.value, REASONS[error.fault]) if isinstance(error, DicomFault) else FAILED


def _plain(feature: Feature, settings: Settings) -> dict[str, Any]:
    return {
        "tag": feature.tag,
        "filter": settings.name_of(feature.image, UNFILTERED),
        "value": feature.value,
        "unit": re.sub(r"^\((.*)\)$", r"\1", feature.unit.translate(UCUM)),
        "reason": feature.reason.value if feature.reason else "",
    }
