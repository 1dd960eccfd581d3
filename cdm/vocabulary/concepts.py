"""What a source's code means at this site: its own map, then ours, then the loaded vocabulary."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Engine, Row, Select, and_, bindparam, func, select

from cdm.database import CHUNK, chunks
from cdm.schema import concept, concept_ancestor, concept_relationship, source_to_concept_map
from cdm.vocabulary.names import (
    UNMAPPED,
    ConceptCode,
    Resolution,
    StandardConcept,
    normal_code,
    vocabulary_id_of,
)
from cdm.vocabulary.seed import administrative_map, seed_codes

__all__ = [
    "UNMAPPED",
    "ConceptCode",
    "Resolution",
    "StandardConcept",
    "Vocabulary",
]

MAPS_TO = ("Maps to", "Maps to value")


class Vocabulary:
    """The meaning of codes, remembered: the first question about a code asks the database, the next do not.

        vocabulary = Vocabulary(engine)
        found = vocabulary.resolve("http://loinc.org", "8302-2")
        found.source_concept_id                   # 3036277, 0 where no vocabulary has the code
        for target in found.standard:             # empty: unmapped, write concept 0 and keep the code
            target.concept_id, target.domain_id, target.is_value
        found.concept_id                          # in short: the first standard concept or 0

    Precedence: the site's `source_to_concept_map`, then the administrative codes shipped with us (gender,
    race, encounter class, modality), then "Maps to" and "Maps to value" of the loaded vocabulary, where a
    standard concept without them means itself, then the shipped seed. One object serves one load: a map or
    vocabulary that is loaded later is seen by the next object.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], Resolution] = {}
        self._ids: dict[tuple[ConceptCode, bool], frozenset[int]] = {}
        self._parents: dict[frozenset[int], frozenset[int]] = {}
        self._site_map = _site_map(engine)

    def resolve(self, system: str, code: str) -> Resolution:
        """What `code` of `system` means; `system` is FHIR's URI or OMOP's vocabulary_id."""
        known = self._known.get((system, code))
        if known is None:
            known = self._known[system, code] = self._find(vocabulary_id_of(system), code)
        return known

    def _find(self, vocabulary_id: str, code: str) -> Resolution:
        by_site = self._site_map.get((vocabulary_id, code))
        if by_site is not None:
            return by_site
        loaded = self._loaded(vocabulary_id, code)
        administrative = administrative_map().get((vocabulary_id, code))
        if administrative is not None:
            return Resolution(loaded.source_concept_id, (administrative,))
        if loaded.source_concept_id == 0:
            return seed_codes().get((vocabulary_id, code), UNMAPPED)
        return loaded

    def _loaded(self, vocabulary_id: str, code: str) -> Resolution:
        with self._engine.connect() as connection:
            wanted = {"vocabulary_id": vocabulary_id, "code": code}
            rows = connection.execute(_meanings_of_a_code(), wanted).all()
        return _resolution(rows) if rows else UNMAPPED

    def parents(self, concept_ids: frozenset[int]) -> frozenset[int]:
        """Those of the concepts that have another one of them as a descendant."""
        known = self._parents.get(concept_ids)
        if known is None:
            upper, lower = concept_ancestor.c.ancestor_concept_id, concept_ancestor.c.descendant_concept_id
            statement = select(upper).where(upper.in_(concept_ids), lower.in_(concept_ids), upper != lower)
            with self._engine.connect() as connection:
                known = self._parents[concept_ids] = frozenset(connection.scalars(statement))
        return known

    def concept_ids(self, wanted: ConceptCode, *, descendants: bool = True) -> frozenset[int]:
        """Every concept_id that stands for `wanted`: the codes themselves, what they map to, all below those.

        Rows of the CDM are found by it in `*_concept_id` and in `*_source_concept_id`. Empty where no loaded
        vocabulary has the code: then `*_source_value` is what is left to look at.
        """
        known = self._ids.get((wanted, descendants))
        if known is None:
            known = self._ids[wanted, descendants] = self._standing_for(wanted, descendants)
        return known

    def _standing_for(self, wanted: ConceptCode, descendants: bool) -> frozenset[int]:
        code = concept.c.concept_code
        # Not LIKE: SQLite's knows no case, and ICD-O-3 and UCUM do.
        same = (
            func.substr(code, 1, len(wanted.stem)) == wanted.stem if wanted.is_prefix else code == wanted.code
        )
        statement = _meanings().where(concept.c.vocabulary_id == wanted.vocabulary_id, same)
        with self._engine.connect() as connection:
            found: set[int] = set()
            for row in connection.execute(statement):
                found.add(row.concept_id)
                if row.target_id is not None and row.relationship_id == "Maps to":
                    found.add(row.target_id)
            if descendants:
                below = select(concept_ancestor.c.descendant_concept_id)
                for chunk in chunks(sorted(found), CHUNK):
                    found.update(
                        connection.scalars(below.where(concept_ancestor.c.ancestor_concept_id.in_(chunk)))
                    )
        found.update(
            one.concept_id
            for (vocabulary_id, seed_code), one in administrative_map().items()
            if wanted.matches(vocabulary_id, seed_code)
        )
        return frozenset(found)


@cache
def _meanings() -> Select[Any]:
    """Concepts with the standard concepts they map to; of a reused code the current concept first."""
    target = concept.alias("target")
    maps = and_(
        concept_relationship.c.concept_id_1 == concept.c.concept_id,
        concept_relationship.c.relationship_id.in_(MAPS_TO),
        concept_relationship.c.invalid_reason.is_(None),
    )
    is_standard = and_(
        target.c.concept_id == concept_relationship.c.concept_id_2, target.c.standard_concept == "S"
    )
    return (
        select(
            concept.c.concept_id,
            concept.c.domain_id,
            concept.c.standard_concept,
            concept_relationship.c.relationship_id,
            target.c.concept_id.label("target_id"),
            target.c.domain_id.label("target_domain_id"),
        )
        .select_from(concept)
        .outerjoin(concept_relationship, maps)
        .outerjoin(target, is_standard)
        .order_by(concept.c.invalid_reason.is_not(None), concept.c.concept_id, target.c.concept_id)
    )


@cache
def _meanings_of_a_code() -> Select[Any]:
    """One statement for all codes: to make one for each takes longer than to run it."""
    same_code = concept.c.concept_code == bindparam("code")
    return _meanings().where(concept.c.vocabulary_id == bindparam("vocabulary_id"), same_code)


def _resolution(rows: Sequence[Row[Any]]) -> Resolution:
    first = rows[0]
    standard = [
        StandardConcept(row.target_id, row.target_domain_id, row.relationship_id == "Maps to value")
        for row in rows
        if row.concept_id == first.concept_id and row.target_id is not None
    ]
    if first.standard_concept == "S" and all(one.is_value for one in standard):
        standard.insert(0, StandardConcept(first.concept_id, first.domain_id))
    return Resolution(first.concept_id, tuple(standard))


def _site_map(engine: Engine) -> dict[tuple[str, str], Resolution]:
    """The site's own map as a whole: some thousand rows at most."""
    mapping = source_to_concept_map.c
    statement = (
        select(
            mapping.source_vocabulary_id,
            mapping.source_code,
            mapping.source_concept_id,
            mapping.target_concept_id,
            concept.c.domain_id,
        )
        .outerjoin(concept, concept.c.concept_id == mapping.target_concept_id)
        .where(mapping.invalid_reason.is_(None))
        .order_by(mapping.target_concept_id)
    )
    found: dict[tuple[str, str], Resolution] = {}
    with engine.connect() as connection:
        for vocabulary_id, written, source_id, target_id, domain_id in connection.execute(statement):
            code = normal_code(vocabulary_id, written)
            before = found.get((vocabulary_id, code), Resolution(source_id, ()))
            target = (StandardConcept(target_id, domain_id or ""),) if target_id else ()
            found[vocabulary_id, code] = Resolution(source_id, before.standard + target)
    return found
