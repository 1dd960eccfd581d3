"""What a person can do with the meaning of codes: load a map or a vocabulary, and map anew by either."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdm import progress
from cdm.vocabulary.athena import load_athena
from cdm.vocabulary.concept_list import load_concept_list
from cdm.vocabulary.names import VocabularyFileError
from cdm.vocabulary.source_map import load_source_map
from protocols.core.errors import Code, InputError, not_found
from protocols.runtime.events import Progress, Tell, as_events, counted
from site_node.governance import audit
from site_node.home.cdm import opened_cdm
from site_node.home.config import SiteConfig, load
from site_node.ingest import loading


@dataclass(frozen=True)
class RemappedSource:
    """How many records of one source were mapped anew, and how many could not be."""

    source: str
    remapped: int
    quarantined: int


@dataclass(frozen=True)
class Remapped:
    """What became of what was loaded; `mapped` counts the lines of a map or vocabulary by table."""

    partial: bool
    sources: tuple[RemappedSource, ...]
    mapped: Mapping[str, int | str]
    schema_version: int = 1


def map_codes(home: Path, file: Path) -> Iterator[Progress | Remapped]:
    """The records mapped anew so far by the site's own map of codes, and at the end what became of all.

    Args:
        file: a CSV with the columns of source_to_concept_map (Usagi's export).

    Raises:
        InputError: there is no such file, or it is not such a map.
    """
    return _mapped(home, "codes-mapped", file, lambda engine, more: {"mapped": load_source_map(engine, file)})


def load_vocabulary(home: Path, file: Path) -> Iterator[Progress | Remapped]:
    """The rows and records read so far, and at the end what was loaded and mapped anew.

    Args:
        file: the zip that Athena sends, or a CSV of concepts.

    Raises:
        InputError: there is no such file, or it is neither.
    """
    is_list = file.name.lower().endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz"))
    read = load_concept_list if is_list else load_athena
    return _mapped(home, "vocabulary-loaded", file, lambda engine, more: dict(read(engine, file, more)))


def remap(home: Path) -> Iterator[Progress | Remapped]:
    """The records mapped anew so far by a changed map, vocabulary or profile, and at the end their sum."""
    config = load(home)

    def work(tell: Tell) -> Remapped:
        return _remapped(config, counted(tell), {})

    return as_events(work)


def _mapped(
    home: Path, event: str, file: Path, read: Callable[[Any, progress.Progress], dict[str, int | str]]
) -> Iterator[Progress | Remapped]:
    config = load(home)
    if not file.is_file():
        raise not_found(file)

    def work(tell: Tell) -> Remapped:
        more = counted(tell)
        try:
            with opened_cdm(config) as engine:
                mapped = read(engine, more)
        except VocabularyFileError as error:
            raise InputError(Code.INVALID_INPUT, str(error)) from None
        audit.act(home, event, rows=sum(count for count in mapped.values() if isinstance(count, int)))
        return _remapped(config, more, mapped)

    return as_events(work)


def _remapped(config: SiteConfig, more: progress.Progress, mapped: dict[str, int | str]) -> Remapped:
    found = loading.remap(config, more)
    sources = tuple(RemappedSource(**line) for line in found["sources"])
    audit.act(config.home, "remapped", records=sum(one.remapped for one in sources))
    return Remapped(found["partial"], sources, mapped)
