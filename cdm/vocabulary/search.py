"""Standard concepts by the words of their names, for a person who maps a site's own codes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Engine, and_, func, or_, select

from cdm.schema import concept, concept_synonym

LONGEST_WORDS = 6
READ = 400
"""So many matches are looked at; among them the best are chosen."""


@dataclass(frozen=True)
class FoundConcept:
    """A standard concept whose name, or a synonym of it, holds the words."""

    concept_id: int
    name: str
    domain: str
    vocabulary: str
    code: str


def by_name(engine: Engine, text: str, *, limit: int = 8) -> tuple[FoundConcept, ...]:
    """The standard concepts whose names hold every word, else the longest; the shortest names first.

    Words shorter than three letters and numbers alone are not looked for.
    """
    words = sorted(set(re.findall(r"[^\W\d_]\w{2,}", text.lower())), key=len, reverse=True)[:LONGEST_WORDS]
    if not words:
        return ()
    found = _named(engine, words) or (_named(engine, words[:1]) if len(words) > 1 else [])
    best = sorted(found, key=lambda one: (-_shared(one.name, words), len(one.name), one.name))
    return tuple(best[:limit])


def _named(engine: Engine, words: Sequence[str]) -> list[FoundConcept]:
    columns, synonym = concept.c, concept_synonym.c
    synonyms = select(synonym.concept_id).where(_holds(synonym.concept_synonym_name, words))
    named = or_(_holds(columns.concept_name, words), columns.concept_id.in_(synonyms))
    shown = (columns.concept_id, columns.concept_name, columns.domain_id, columns.vocabulary_id)
    statement = (
        select(*shown, columns.concept_code)
        .where(columns.standard_concept == "S", named)
        .order_by(func.length(columns.concept_name))
        .limit(READ)
    )
    with engine.connect() as connection:
        return [FoundConcept(*row) for row in connection.execute(statement)]


def _holds(column: Column[str], words: Sequence[str]) -> ColumnElement[bool]:
    return and_(*(func.lower(column).contains(word, autoescape=True) for word in words))


def _shared(name: str, words: Sequence[str]) -> int:
    lower = name.lower()
    return sum(word in lower for word in words)
