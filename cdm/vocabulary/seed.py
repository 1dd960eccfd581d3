"""The administrative codes that ship with us: what the ETL writes by number, and codes of FHIR and DICOM.

Own-authored rows, at most 200, of vocabularies that may be passed on; no SNOMED, RxNorm, LOINC or CPT here.
"""

import csv
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from cdm.vocabulary.names import Resolution, StandardConcept


@cache
def administrative_map() -> Mapping[tuple[str, str], StandardConcept]:
    """(vocabulary_id, code) -> concept, for FHIR's and DICOM's codes that no Athena export maps."""
    return {
        (row["vocabulary_id"], row["code"]): StandardConcept(int(row["concept_id"]), row["domain_id"])
        for row in _shipped("vocabulary_map.csv")
    }


@cache
def seed() -> Mapping[int, Mapping[str, str | None]]:
    """concept_id -> the other columns of `concept`, for those that the ETL writes by number."""
    return {
        int(row.pop("concept_id")): {name: value or None for name, value in row.items()}
        for row in _shipped("vocabulary_seed.csv")
    }


@cache
def seed_codes() -> Mapping[tuple[str, str], Resolution]:
    """The seed by (vocabulary_id, code)."""
    found = {}
    for row in _shipped("vocabulary_seed.csv"):
        concept_id = int(row["concept_id"])
        standard = (StandardConcept(concept_id, row["domain_id"]),) if row["standard_concept"] == "S" else ()
        found[row["vocabulary_id"], row["concept_code"]] = Resolution(concept_id, standard)
    return found


def _shipped(name: str) -> Iterator[dict[str, str]]:
    with (files("cdm.vocabulary") / name).open(encoding="utf-8") as file:
        yield from csv.DictReader(file)
