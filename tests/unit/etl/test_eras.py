"""Eras of conditions and ingredients, against a plain count of days."""

import random
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Engine, select

from cdm.database import upsert, writing
from cdm.etl.loader.periods import derive
from cdm.schema import (
    concept,
    concept_ancestor,
    condition_era,
    condition_occurrence,
    drug_era,
    drug_exposure,
    person,
)

ALWAYS = {"valid_start_date": date(1970, 1, 1), "valid_end_date": date(2099, 12, 31)}
ASPIRIN, IBUPROFEN, TABLET, BOTH = 10, 11, 20, 21
INGREDIENTS = {TABLET: (ASPIRIN,), BOTH: (ASPIRIN, IBUPROFEN), ASPIRIN: (ASPIRIN,), 0: (), 99: ()}
FIRST = date(2020, 1, 1)
DAY = timedelta(days=1)
Span = tuple[date, date]


def drug(concept_id: int, kind: str) -> dict[str, object]:
    named = {
        "concept_id": concept_id,
        "concept_name": "a drug",
        "domain_id": "Drug",
        "vocabulary_id": "RxNorm",
    }
    return {
        **named,
        "concept_class_id": kind,
        "concept_code": str(concept_id),
        "standard_concept": "S",
        **ALWAYS,
    }


def vocabulary() -> dict[Any, list[dict[str, object]]]:
    pairs = [(above, below) for below, found in INGREDIENTS.items() for above in found]
    return {
        concept: [
            *(drug(it, "Ingredient") for it in (ASPIRIN, IBUPROFEN)),
            *(drug(it, "Clinical Drug") for it in (TABLET, BOTH)),
            drug(30, "Clinical Drug Comp"),
        ],
        concept_ancestor: [
            {
                "ancestor_concept_id": above,
                "descendant_concept_id": below,
                "min_levels_of_separation": 1,
                "max_levels_of_separation": 1,
            }
            for above, below in [*pairs, (30, TABLET)]
        ],
    }


def joined(spans: list[Span], pause: int) -> list[list[Span]]:
    """The spans in groups with no pause longer than some days, one day at a time."""
    groups: list[list[Span]] = []
    for first, last in sorted(spans):
        if groups and first <= max(end for _, end in groups[-1]) + pause * DAY:
            groups[-1].append((first, last))
        else:
            groups.append([(first, last)])
    return groups


def whole(group: list[Span]) -> Span:
    return group[0][0], max(end for _, end in group)


def test_eras_are_those_of_a_plain_count(engine: Engine) -> None:
    chance = random.Random(3)
    conditions, drugs = [], []
    had: dict[tuple[int, int], list[Span]] = {}
    took: dict[tuple[int, int], list[Span]] = {}
    for number in range(400):
        person_id, start = chance.randrange(1, 6), FIRST + chance.randrange(700) * DAY
        end = chance.choice((None, start, start - DAY, start + chance.randrange(40) * DAY))
        said = chance.choice((0, 5, 6, 7))
        conditions.append(
            {
                "condition_occurrence_id": number,
                "person_id": person_id,
                "condition_concept_id": said,
                "condition_start_date": start,
                "condition_end_date": end,
                "condition_type_concept_id": 32817,
            }
        )
        if said:
            last = end if end and end >= start else start + DAY
            had.setdefault((person_id, said), []).append((start, last))
        given, supply = chance.choice(list(INGREDIENTS)), chance.choice((None, 0, 14))
        until = chance.choice((start, start - DAY, start + chance.randrange(40) * DAY))
        drugs.append(
            {
                "drug_exposure_id": number,
                "person_id": person_id,
                "drug_concept_id": given,
                "drug_exposure_start_date": start,
                "drug_exposure_end_date": until,
                "days_supply": supply,
                "drug_type_concept_id": 32838,
            }
        )
        last = until if until > start else start + DAY * (1 if supply is None else supply)
        for ingredient in INGREDIENTS[given]:
            took.setdefault((person_id, ingredient), []).append((start, last))
    people = [
        {
            "person_id": number,
            "gender_concept_id": 0,
            "year_of_birth": 1950,
            "race_concept_id": 0,
            "ethnicity_concept_id": 0,
        }
        for number in range(1, 6)
    ]
    tables = {**vocabulary(), person: people, condition_occurrence: conditions, drug_exposure: drugs}
    with writing(engine) as connection:
        for table, rows in tables.items():
            upsert(connection, table, rows)
    for _ in range(2):  # made anew, not added to
        derive(engine)
    expected = sorted(
        (*of, *whole(group), len(group)) for of, spans in had.items() for group in joined(spans, 30)
    )
    assert eras(engine, condition_era) == expected
    expected_drugs = []
    for of, spans in took.items():
        taken = {whole(group): len(group) for group in joined(spans, 0)}
        for group in joined(list(taken), 30):
            first, last = whole(group)
            pauses = (last - first).days - sum((end - start).days for start, end in group)
            expected_drugs.append((*of, first, last, sum(taken[one] for one in group), pauses))
    assert eras(engine, drug_era) == sorted(expected_drugs)
    assert any(row[-1] for row in expected_drugs)


def eras(engine: Engine, table: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return sorted(tuple(row)[1:] for row in connection.execute(select(table)))
