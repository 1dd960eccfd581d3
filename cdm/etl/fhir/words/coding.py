"""FHIR's coded values: the code that counts among several, and its concepts."""

import re
from collections.abc import Container
from functools import lru_cache
from typing import Any, NamedTuple

from cdm.etl.context import NAME_LENGTH, Context
from cdm.etl.fhir.words.free_text import TEXT, kept_text
from cdm.etl.omop_concepts import NO_CONCEPT
from cdm.etl.record import Unmappable
from cdm.vocabulary.concepts import Resolution, StandardConcept
from cdm.vocabulary.names import UNMAPPED, normal_code, vocabulary_id_of

LOCAL = "local-"  # how `vocabulary_id_of` names a hospital's own system
SOURCE_VALUE_LENGTH = 50  # OMOP's varchar(50)
UNKNOWN = (StandardConcept(NO_CONCEPT, "", False),)


class Coded(NamedTuple):
    """What the source wrote, its source concept, and the standard concepts that it maps to.

    `standard` has one concept per row to write, at least concept 0; `value_concept_id` is what the code "maps
    to value", as an ICD code of a positive test does.
    """

    source_value: str | None
    source_concept_id: int
    standard: tuple[StandardConcept, ...]
    value_concept_id: int | None

    @property
    def concept_id(self) -> int:
        """The first standard concept, for a column that holds one."""
        return self.standard[0].concept_id


NOT_CODED = Coded(None, NO_CONCEPT, UNKNOWN, None)


def source_value(system: str, code: str) -> str:
    """What a `*_source_value` holds: `LOINC:89243-0`, of a hospital's own system the code alone."""
    vocabulary_id = vocabulary_id_of(system) if system else LOCAL
    return (code if vocabulary_id.startswith(LOCAL) else f"{vocabulary_id}:{code}")[:SOURCE_VALUE_LENGTH]


def coded(concept: Any, context: Context) -> Coded:
    """The code of a CodeableConcept, by priority: chosen by a user, mapped, more specific, first (f2o-034).

    One without any coding is its text, which only a site's own map gives a concept.
    """
    if not isinstance(concept, dict):
        return NOT_CODED
    codings = [coding for coding in concept.get("coding") or () if coding.get("code")]
    if codings:
        return coded_value(_preferred(codings, context), context)
    text = concept.get("text")
    return coded_text(text, context) if text else NOT_CODED


def coded_text(text: str, context: Context) -> Coded:
    """A text that stands for a code: mapped by the site, or concept 0; shown only if it can name nobody."""
    shown = kept_text(text, context)[:SOURCE_VALUE_LENGTH]
    found = context.lookup(TEXT, text.strip()) if len(text) <= NAME_LENGTH else UNMAPPED
    return _from_resolution("", shown, found) if found.standard else Coded(shown, NO_CONCEPT, UNKNOWN, None)


def coded_value(coding: dict[str, Any], context: Context) -> Coded:
    """The concepts of one Coding."""
    system = coding.get("system") or ""
    code = _normal(system, coding["code"])
    found = context.resolve(system, code)
    known = context.coded.get((system, code))
    if known is None:
        known = context.coded[system, code] = _from_resolution(system, code, found)
    return known


@lru_cache(maxsize=65536)
def _normal(system: str, code: str) -> str:
    return normal_code(vocabulary_id_of(system), code)


def _from_resolution(system: str, code: str, found: Resolution) -> Coded:
    """What the vocabulary says of a code, told apart into what to write and what value it implies."""
    standard = tuple(concept for concept in found.standard if not concept.is_value)
    value = found.value_concept_id or None
    return Coded(source_value(system, code), found.source_concept_id, standard or UNKNOWN, value)


def _preferred(codings: list[dict[str, Any]], context: Context) -> dict[str, Any]:
    """The coding that counts: chosen by a user, mapped, not a parent of another of its system, first.

    Where no coding is mapped, one of a known vocabulary counts before a hospital's own: studies name those.
    """
    if len(codings) == 1:
        return codings[0]
    codings = [coding for coding in codings if coding.get("userSelected")] or codings
    found = [(coding, _looked_up(coding, context)) for coding in codings]
    mapped = [(coding, resolution) for coding, resolution in found if resolution.standard]
    if len(mapped) > 1:
        systems: dict[str | None, set[int]] = {}
        for coding, resolution in mapped:
            systems.setdefault(coding.get("system"), set()).add(_own_concept_id(resolution))
        parents = {
            parent for ids in systems.values() if len(ids) > 1 for parent in context.parents(frozenset(ids))
        }
        mapped = [one for one in mapped if _own_concept_id(one[1]) not in parents] or mapped
    if mapped:
        return mapped[0][0]
    return next((one for one in codings if not _is_local(one)), codings[0])


def _is_local(coding: dict[str, Any]) -> bool:
    system = coding.get("system")
    return not system or vocabulary_id_of(system).startswith(LOCAL)


def _looked_up(coding: dict[str, Any], context: Context) -> Resolution:
    system = coding.get("system") or ""
    return context.lookup(system, _normal(system, coding["code"]))


def _own_concept_id(resolution: Resolution) -> int:
    return resolution.source_concept_id or resolution.concept_id


def has_code(concept: Any, system: str, *codes: str) -> bool:
    """Whether a CodeableConcept carries one of the codes of a system."""
    if isinstance(concept, dict):
        for coding in concept.get("coding") or ():
            if coding.get("code") in codes and coding.get("system") == system:
                return True
    return False


def codes_of(concept: object) -> list[str]:
    """The codes of a CodeableConcept or a list of them; a code alone, as DSTU2 and STU3 write it."""
    if isinstance(concept, list):
        return [code for one in concept for code in codes_of(one)]
    if isinstance(concept, str):
        return [concept]
    codings = concept.get("coding") if isinstance(concept, dict) else None
    one_or_several = [codings] if isinstance(codings, dict) else codings or ()
    return [one["code"] for one in one_or_several if isinstance(one.get("code"), str)]


def status_code(concept: object, known: Container[str]) -> str | None:
    """The code of a status of which FHIR knows the codes; None where none is stated.

    A status is read by its code, else by its words: `Refuted` and `entered in error` are as clear.

    Raises:
        Unmappable: what stands there is none of the known codes: it must not pass as a status not stated.
    """
    words = list(codes_of(concept))
    if isinstance(concept, dict):
        words += [str(one.get("display") or "") for one in concept.get("coding") or ()]
        words.append(str(concept.get("text") or ""))
    codes = [re.sub(r"[\s_-]+", "-", word.strip().lower()) for word in words if word]
    for code in codes:
        if code in known:
            return code
    if codes:
        raise Unmappable("unknown-status", "a status is not one of FHIR's")
    return None
