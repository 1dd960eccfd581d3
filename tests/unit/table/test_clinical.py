"""The arithmetic of age, survival and picks, on numbers that a reader checks by eye."""

import numpy as np
import pytest
from numpy.typing import NDArray

from site_node.features.clinical import (
    Events,
    Pick,
    age_years,
    event_free_survival,
    one_each,
    overall_survival,
    progression_free_survival,
)
from site_node.features.genomics import mutated

NAN = float("nan")


def days(*texts: str) -> NDArray[np.datetime64]:
    return np.array([text or "NaT" for text in texts], dtype="datetime64[D]")


def numbers(*values: float) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("index", "birth", "age"),
    [
        ("2020-06-15", (1980, 6, 15), 40),
        ("2020-06-14", (1980, 6, 15), 39),
        ("2020-05-31", (1980, 6, NAN), 39),
        ("2020-06-01", (1980, 6, NAN), 40),
        ("2020-01-01", (1980, NAN, NAN), 40),
        ("2021-02-28", (2020, 2, 29), 0),
        ("2020-01-01", (NAN, NAN, NAN), NAN),
        ("2020-01-01", (2021, NAN, NAN), NAN),
    ],
)
def test_age_is_in_completed_years(index: str, birth: tuple[float, float, float], age: float) -> None:
    np.testing.assert_array_equal(age_years(days(index), *(numbers(part) for part in birth)), [age])


@pytest.mark.parametrize(
    ("pick", "expected"),
    [("first", 5), ("last", 9), ("nearest", 2), ("mean", 4.5), ("min", 2), ("max", 9), ("any", 9)],
)
def test_several_events_become_one_number(pick: Pick, expected: float) -> None:
    values = numbers(9, 5, 2, 2, NAN)
    events = Events(np.zeros(5, np.int64), np.array([40, -30, 1, 2, 0]), values)
    np.testing.assert_array_equal(one_each(events, 2, pick), [expected, NAN])


def test_of_one_day_the_choice_does_not_hang_on_the_order_of_rows() -> None:
    for values in ([1, 0], [0, 1]):
        events = Events(np.zeros(2, np.int64), np.zeros(2, np.int64), numbers(*values))
        assert one_each(events, 1, "first")[0] == 0
        assert one_each(events, 1, "last")[0] == 1


def test_a_window_has_both_its_ends() -> None:
    events = Events(np.arange(4), np.array([-8, -7, 0, 1]), np.ones(4))
    assert list(events.within(-7, 0).rows) == [1, 2]
    assert list(events.within(None, None).rows) == [0, 1, 2, 3]


def test_overall_survival_ends_with_death_or_the_last_contact_of_the_living() -> None:
    index = days(*["2020-01-01"] * 5)
    death = days("2020-01-31", "", "", "2019-12-31", "2020-01-01")
    contact = days("2020-02-01", "2020-03-01", "2020-03-01", "2020-01-01", "")
    alive = np.array([False, True, False, True, False])
    time, event = overall_survival(index, death, contact, alive)
    np.testing.assert_array_equal(time, [30, 60, NAN, NAN, 0])
    np.testing.assert_array_equal(event, [1, 0, NAN, NAN, 1])


def test_event_free_survival_ends_with_the_event_death_or_the_last_contact_of_the_living() -> None:
    index = days(*["2020-01-01"] * 6)
    death = days("2020-01-31", "2020-01-31", "", "", "", "2020-01-31")
    contact = days("", "", "2020-03-01", "2020-03-01", "", "")
    alive = np.array([False, False, True, False, False, False])
    event = days("2020-01-11", "", "", "", "2020-01-21", "2020-02-11")  # the last one after death
    nobody, first = np.zeros(6, dtype=bool), np.arange(6) == 0
    time, found = event_free_survival(index, death, contact, alive, event, nobody, death_counts=True)
    np.testing.assert_array_equal(time, [10, 30, 60, NAN, 20, 30])
    np.testing.assert_array_equal(found, [1, 1, 0, NAN, 1, 1])
    time, found = event_free_survival(index, death, contact, alive, event, first, death_counts=False)
    np.testing.assert_array_equal(time, [NAN, 30, 60, NAN, 20, 30])
    np.testing.assert_array_equal(found, [NAN, 0, 0, NAN, 1, 0])


def test_progression_free_survival_ends_with_the_first_of_progression_and_death() -> None:
    index = days(*["2020-01-01"] * 4)
    death = days("2020-01-31", "2020-01-31", "", "")
    progression = days("2020-01-11", "", "", "")
    assessed = days("2020-01-11", "2020-01-11", "2020-01-21", "")
    time, event = progression_free_survival(index, death, progression, assessed)
    np.testing.assert_array_equal(time, [10, 30, 20, NAN])
    np.testing.assert_array_equal(event, [1, 1, 0, NAN])


@pytest.mark.parametrize(
    ("tested", "classifications", "state"),
    [
        ([], [], NAN),
        ([0], [], 0),
        ([0], ["Silent"], 0),
        ([0], ["Silent", "Missense_Mutation"], 1),
        ([0], [None], 1),
        ([0], ["a word of tomorrow"], NAN),
        ([0], ["a word of tomorrow", "Splice_Site"], 1),
        ([], ["Nonsense_Mutation"], 1),
    ],
)
def test_a_gene_is_mutated_not_mutated_or_not_known(
    tested: list[int], classifications: list[str | None], state: float
) -> None:
    found = np.zeros(len(classifications), np.int64)
    result = mutated(1, np.array(tested, dtype=np.int64), found, classifications)
    np.testing.assert_array_equal(result, [state])
