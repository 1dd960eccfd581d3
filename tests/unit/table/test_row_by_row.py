"""The table that the database makes is what plain Python makes of the same rows, on both databases."""

import numpy as np
import pytest
from sqlalchemy import Engine

from cdm.cohorts.cohort import CohortDefinition
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.study import Study
from site_node.study_table import build, codes, cohort
from site_node.study_table.people import People
from tests.lib.atlas_hospital import tables_of, write
from tests.lib.drawn_cdm import TODAY, DrawnCdm
from tests.lib.slow_table import SlowTable
from tests.lib.studies import a_study

VARIABLES = 12


def compare(engine: Engine, drawn: DrawnCdm, cohorts: int) -> int:
    """How many people were in drawn cohorts, of which every variable and count was the same."""
    write(engine, drawn.tables)
    slow, found = SlowTable(tables_of(engine), Vocabulary(engine), TODAY), 0
    for number in range(cohorts):
        study = a_study(
            cohort=drawn.cohort(), variables={"age": {"kind": "age"}, **drawn.variables(VARIABLES)}
        )
        assert isinstance(study.cohort, CohortDefinition)
        counts = slow.find(study.cohort)
        with engine.connect() as connection:
            evaluated = cohort.evaluate(connection, study.cohort, Vocabulary(engine), TODAY)
            assert [count for _, count in evaluated.attrition] == counts, f"cohort {number}: {study.cohort}"
            days = dict(
                zip(evaluated.people.persons.tolist(), evaluated.people.index.astype(object), strict=True)
            )
            assert days == slow.index
            evaluated.people.doubts.clear()
            _same_columns(study, evaluated.people, slow)
        found += len(days)
    return found


def _same_columns(study: Study, people: People, slow: SlowTable) -> None:
    for name, variable in study.variables.items():
        reader = build.READERS[type(variable)]
        (column,) = reader.columns(variable, people)  # type: ignore[union-attr]  # none of these is a label
        expected = np.array(slow.column(variable), dtype=np.float64)
        exact = getattr(variable, "pick", None) != "mean"
        message = f"{name}: {variable} of {study.cohort}"
        np.testing.assert_allclose(column, expected, rtol=0 if exact else 1e-14, err_msg=message)
        assert dict(people.doubts) == dict(slow.doubts), message
        people.doubts.clear()


@pytest.mark.slow
@pytest.mark.parametrize("named", [codes.NAMED, 1])
def test_drawn_tables_are_those_of_plain_python(
    engine: Engine, named: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes that a statement names, and as from two on those that it joins, are the same rows."""
    monkeypatch.setattr(codes, "NAMED", named)
    assert compare(engine, DrawnCdm(seed=3, people=40), cohorts=6) > 40


@pytest.mark.slow
def test_without_a_unit_all_records_must_have_the_same(engine: Engine) -> None:
    assert compare(engine, DrawnCdm(seed=4, people=30, mixed_units=False), cohorts=4) > 30


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 13))
def test_many_drawn_tables_are_those_of_plain_python(engine: Engine, seed: int) -> None:
    assert compare(engine, DrawnCdm(seed, people=120, mixed_units=seed % 3 > 0), cohorts=10) > 200
