"""Resources with anything in place of anything: each is loaded, excluded or reported; none stops a load."""

import copy
import json
import random
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from cdm.etl import Identity, SourceRecord
from cdm.etl.loader.load import load

HERE = Path(__file__).parent
ODD = (
    None,
    True,
    0,
    -1,
    2**62,
    1e308,
    "",
    "x" * 300,
    "2010-02-30",
    "\u0000",
    "Patient/",
    [],
    [None],
    {},
    {"a": []},
)
MUTANTS = 400


def places(element: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below an element."""
    items = (
        element.items()
        if isinstance(element, dict)
        else enumerate(element)
        if isinstance(element, list)
        else ()
    )
    return [place for key, value in items for place in [(element, key), *places(value)]]


def mutants(seed: int) -> list[SourceRecord]:
    """Resources of the mappers' test cases, each with one or two elements replaced or removed."""
    chance = random.Random(seed)
    sound = [
        resource
        for path in sorted(HERE.glob("*.in.json"))
        for resource in json.loads(path.read_text()).values()
    ]
    found = []
    for number in range(MUTANTS):
        body = copy.deepcopy(chance.choice(sound))
        for _ in range(chance.choice((1, 1, 2))):
            container, key = chance.choice(places(body))
            if isinstance(container, dict) and key == "resourceType":
                continue
            if isinstance(container, dict) and chance.random() < 0.2:
                del container[key]
            else:
                container[key] = copy.deepcopy(chance.choice(ODD))
        found.append(SourceRecord(body["resourceType"], f"m{number}", f"mutants.ndjson:{number}", body))
    return found


def test_no_mutant_stops_a_load_and_each_is_counted(engine: Engine) -> None:
    records = mutants(2026)
    summary = load(engine, records, "fhir", Identity(b"a site's secret"))
    assert summary.records == MUTANTS
    whole = sum(counts.loaded for counts in summary.kinds.values())
    assert whole > MUTANTS / 4
    again = load(engine, records, "fhir", Identity(b"a site's secret"))
    assert not again.changed
    assert again.quarantined == summary.quarantined
