"""What pages ask of the CDM: loads, quarantine, quality as it was last checked, codes with suggestions."""

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from cdm.etl.loader import report
from cdm.vocabulary import search
from cdm.vocabulary.names import SYSTEMS
from cdm.vocabulary.search import FoundConcept
from protocols.core.errors import Code, InputError
from protocols.runtime.events import Progress
from protocols.runtime.output import plain
from site_node.actions import data, mapping
from site_node.actions.data import QualityView, QuarantinedPlace, QuarantineGroup, UnmappedCode
from site_node.actions.mapping import Remapped
from site_node.home.cdm import opened_cdm
from site_node.home.config import load
from site_node.home.register import now

QUALITY = "quality.json"
MOST_CODES = 1000
MAP_COLUMNS = {"source_code", "source_vocabulary_id", "target_concept_id"}


@dataclass(frozen=True)
class Quarantine:
    """What could not be loaded: by reason, and every place."""

    groups: tuple[QuarantineGroup, ...]
    places: tuple[QuarantinedPlace, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class KeptQuality:
    """What the checks found when they last ran; None before they ran."""

    at: str
    found: QualityView | None
    schema_version: int = 1


@dataclass(frozen=True)
class CodesToMap:
    """Codes without a standard concept, those first that touch most people.

    Attributes:
        vocabularies: system -> OMOP's name of it, where it has one.
    """

    codes: tuple[UnmappedCode, ...]
    vocabularies: Mapping[str, str]
    schema_version: int = 1


@dataclass(frozen=True)
class CodesFile:
    """The codes to map as a CSV that Usagi imports, or somebody fills in."""

    text: str
    schema_version: int = 1


@dataclass(frozen=True)
class MapLines:
    """Lines of a map of codes: system, code, concept_id."""

    lines: tuple[tuple[str, str, int], ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Suggestions:
    """Standard concepts whose names hold some words."""

    words: str
    concepts: tuple[FoundConcept, ...]
    schema_version: int = 1


def quarantine(home: Path) -> Quarantine:
    """What could not be loaded: by reason, and every place with its file and line."""
    with opened_cdm(load(home)) as engine:
        groups = tuple(QuarantineGroup(**line) for line in report.quarantined(engine))
        places = tuple(QuarantinedPlace(**line) for line in report.quarantined_places(engine))
    return Quarantine(groups, places)


def quality(home: Path) -> KeptQuality:
    """What the checks found when they last ran from a page."""
    path = home / QUALITY
    if not path.is_file():
        return KeptQuality("", None)
    return TypeAdapter(KeptQuality).validate_json(path.read_bytes())


def check_quality(home: Path) -> Iterator[QualityView]:
    """The checks, run now and kept for the page."""
    found = data.quality(home)
    draft = home / f"{QUALITY}.part"
    draft.write_text(json.dumps(plain(KeptQuality(now().isoformat(), found))))
    draft.replace(home / QUALITY)
    yield found


def codes(home: Path) -> CodesToMap:
    """The codes without a standard concept, at most a thousand, those first that touch most people."""
    found = data.unmapped(home, limit=MOST_CODES).codes
    named = {one.system: SYSTEMS[one.system] for one in found if one.system in SYSTEMS}
    return CodesToMap(found, named)


def usagi(home: Path) -> CodesFile:
    """The codes to map as a file, those first that touch most people."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "codes.csv"
        data.unmapped(home, csv=path)
        return CodesFile(path.read_text(encoding="utf-8"))


def map_lines(text: str) -> MapLines:
    """The lines of a map that a person pasted: Usagi's export, or the list of codes with concepts filled in.

    A line without a concept is left for later.

    Raises:
        InputError: it lacks a column, or a concept is not a number.
    """
    rows = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    if missing := MAP_COLUMNS - set(rows.fieldnames or ()):
        raise InputError(
            Code.INVALID_INPUT,
            f"the first line does not name the columns {', '.join(sorted(missing))}",
            "export it from Usagi as source_to_concept_map, or fill in the list of this page",
        )
    found = []
    for number, row in enumerate(rows, 2):
        concept = (row["target_concept_id"] or "").strip()
        if concept and not concept.isdecimal():
            raise InputError(Code.INVALID_INPUT, f"line {number}: target_concept_id is not a number")
        if concept.strip("0"):
            found.append((str(row["source_vocabulary_id"]), str(row["source_code"]), int(concept)))
    return MapLines(tuple(found))


def suggestions(home: Path, words: str) -> Suggestions:
    """Standard concepts of the loaded vocabulary whose names hold these words."""
    with opened_cdm(load(home)) as engine:
        return Suggestions(words, search.by_name(engine, words[:200]))


def assign(home: Path, lines: Sequence[tuple[str, str, int]]) -> Iterator[Progress | Remapped]:
    """The records mapped anew by codes that a person gave a concept: (system, code, concept_id).

    Raises:
        InputError: a target is not a standard concept here, or no line is given.
    """
    if not lines:
        raise InputError(Code.INVALID_INPUT, "no code was given a concept")
    file = home / "codes-from-pages.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out)
        table.writerow(("source_code", "source_vocabulary_id", "target_concept_id"))
        table.writerows((code, system, concept) for system, code, concept in lines)
    return mapping.map_codes(home, file)
