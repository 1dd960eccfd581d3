"""Each mapper's JSON pair: `<resource>.in.json` holds resources by a case's name, `.out.json` their rows.

Keys are shown by what they were hashed from, so that a reader sees which row points to which.
"""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from cdm.etl import MAPPERS, Context, Excluded, Identity, Unmappable
from cdm.schema import concept, concept_ancestor, concept_relationship
from cdm.vocabulary.concepts import Vocabulary

HERE = Path(__file__).parent
PAIRS = sorted(path.name.removesuffix(".in.json") for path in HERE.glob("*.in.json"))
CASES = [(pair, case) for pair in PAIRS for case in json.loads((HERE / f"{pair}.in.json").read_text())]
LOCAL = "test-codes"  # concepts of our own: no licensed vocabulary is needed to test the routing
# code -> (domain, standard concepts it maps to, concept it maps to as a value)
CONCEPTS = {
    "a-measurement": ("Measurement", (2_000_000_001,), None),
    "a-condition": ("Condition", (2_000_000_002,), None),
    "an-observation": ("Observation", (2_000_000_003,), None),
    "two-domains": ("Condition", (2_000_000_002, 2_000_000_003), None),
    "test-positive": ("Measurement", (2_000_000_001,), 2_000_000_004),
    "a-procedure": ("Procedure", (2_000_000_005,), None),
    "a-drug": ("Drug", (2_000_000_006,), None),
    "a-device": ("Device", (2_000_000_007,), None),
    "a-special-condition": ("Condition", (2_000_000_008,), None),  # below a-condition
}
DOMAINS = {
    2_000_000_001: "Measurement",
    2_000_000_002: "Condition",
    2_000_000_003: "Observation",
    2_000_000_004: "Meas Value",
    2_000_000_005: "Procedure",
    2_000_000_006: "Drug",
    2_000_000_007: "Device",
    2_000_000_008: "Condition",
}


class NamedIdentity(Identity):
    """The identities of a site, with a note of what each was made from."""

    def __init__(self) -> None:
        super().__init__(b"a site's secret")
        self.names: dict[int, str] = {}

    def hash63(self, *parts: str) -> int:
        number = super().hash63(*parts)
        self.names[number] = " ".join(part for part in parts if part not in ("row", "fhir", ""))
        return number


@pytest.fixture
def context(sqlite_engine: Engine) -> Context:
    """A context whose vocabulary has the few concepts above."""
    with sqlite_engine.begin() as connection:
        connection.execute(insert(concept), [_concept(number) for number in DOMAINS])
        for number, (code, (domain, targets, value)) in enumerate(CONCEPTS.items()):
            source = {**_concept(2_100_000_000 + number), "concept_code": code, "standard_concept": None}
            connection.execute(insert(concept), [{**source, "domain_id": domain}])
            maps = [(target, "Maps to") for target in targets] + ([(value, "Maps to value")] if value else [])
            for target, relationship in maps:
                row = {
                    "concept_id_1": 2_100_000_000 + number,
                    "concept_id_2": target,
                    "relationship_id": relationship,
                }
                dates = {"valid_start_date": date(2000, 1, 1), "valid_end_date": date(2099, 12, 31)}
                connection.execute(insert(concept_relationship), [{**row, **dates}])
        below = {"ancestor_concept_id": 2_100_000_001, "descendant_concept_id": 2_100_000_008}
        levels = {"min_levels_of_separation": 1, "max_levels_of_separation": 1}
        connection.execute(insert(concept_ancestor), [{**below, **levels}])
    return Context("fhir", NamedIdentity(), Vocabulary(sqlite_engine))


def _concept(number: int) -> dict[str, Any]:
    return {
        "concept_id": number,
        "concept_name": str(number),
        "domain_id": DOMAINS.get(number, ""),
        "vocabulary_id": LOCAL,
        "concept_class_id": "test",
        "standard_concept": "S",
        "concept_code": str(number),
        "valid_start_date": date(2000, 1, 1),
        "valid_end_date": date(2099, 12, 31),
    }


@pytest.mark.parametrize(("pair", "case"), CASES)
def test_resource_becomes_these_rows(pair: str, case: str, context: Context) -> None:
    resource = json.loads((HERE / f"{pair}.in.json").read_text())[case]
    expected = json.loads((HERE / f"{pair}.out.json").read_text())[case]
    assert mapped(resource, context) == expected


def mapped(resource: dict[str, Any], context: Context) -> Any:
    """What a resource becomes, as JSON: rows, or the reason for none."""
    try:
        rows = MAPPERS[resource["resourceType"]](resource, context)
    except Excluded as excluded:
        return {"excluded": excluded.reason}
    except Unmappable as error:
        return {"quarantine": error.code}
    return [
        {"table": row.table, **_shown_precision(row.precision), **_shown(row.values, context)} for row in rows
    ]


def _shown_precision(precision: str) -> dict[str, str]:
    return {} if precision == "day" else {"precision": precision}


def _shown(values: dict[str, Any], context: Context) -> dict[str, Any]:
    names = context._identity.names  # type: ignore[attr-defined]
    return {
        column: names.get(value, value)
        if isinstance(value, int)
        else str(value)
        if isinstance(value, (date, datetime))
        else value
        for column, value in values.items()
        if value is not None
    }
