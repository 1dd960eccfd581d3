"""The lists of people that a site writes into its database while it builds a table."""

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select

from cdm.schema import person
from cdm.vocabulary.concepts import Vocabulary
from site_node.study_table import records
from site_node.study_table.people import People


@pytest.fixture
def ten(engine: Engine) -> Engine:
    rows = [
        {
            "person_id": number,
            "gender_concept_id": 8532 if number % 2 else 8507,
            "year_of_birth": 1950 + number,
            "race_concept_id": 0,
            "ethnicity_concept_id": 0,
        }
        for number in range(1, 11)
    ]
    with engine.begin() as connection:
        connection.execute(insert(person), rows)
    return engine


@pytest.mark.parametrize(("left_out", "is_lent"), [(1, True), (2, True), (3, False)])
def test_most_of_some_people_use_their_list_and_get_answers_of_their_own(
    ten: Engine, left_out: int, is_lent: bool
) -> None:
    with ten.connect() as connection:
        index = np.full(10, np.datetime64("2020-01-01"))
        people = People(connection, Vocabulary(ten), np.arange(1, 11), index)
        before = records.sex_is(people, "female")
        fewer = people.kept(np.arange(10) >= left_out)
        assert (fewer.listed is people.listed) == is_lent
        np.testing.assert_array_equal(records.sex_is(fewer, "female"), before[left_out:])
        on_the_list = connection.execute(select(fewer.listed.c.person_id)).scalars().all()
        assert len(on_the_list) == (10 if is_lent else 10 - left_out)
