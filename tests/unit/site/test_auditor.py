"""What combinations of sets of people stand on few of them, held against every combination of small cases."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from protocols.core.disclosure import Thresholds
from protocols.core.table import Integers
from site_node.governance.auditor import Auditor, Behind, variable_key
from site_node.governance.set_space import PRIME, SetSpace

FLOORS = Thresholds()
ROSTER = ("a", "b", "c")


def rank(matrix: np.ndarray) -> int:
    """The rank over the rationals; entries are 0 and 1, so it is that over the large prime as well."""
    return int(np.linalg.matrix_rank(matrix)) if matrix.size else 0


def stands_on_few(sets: list[Integers], people: int, floor: int) -> bool:
    """Whether a combination of the sets stands on fewer than `floor` people, by trying every few of them.

    There is one on no others than T, if and only if the sets without T have a lower rank.
    """
    matrix = np.array([np.isin(np.arange(people), s) for s in sets], dtype=float)
    whole = rank(matrix)
    return any(
        rank(np.delete(matrix, few, axis=1)) < whole
        for size in range(1, floor)
        for few in combinations(range(people), size)
    )


@pytest.mark.parametrize("seed", range(40))
def test_a_set_is_let_in_if_no_combination_is_of_few(seed: int) -> None:
    draw, people, floor = np.random.default_rng(seed), 12, 3
    space, sets = SetSpace(), []
    for _ in range(7):
        members = np.flatnonzero(draw.random(people) < draw.uniform(0.3, 0.9))
        if len(members) < floor:
            continue
        grown = space.with_set(members, floor, floor)
        assert (grown is None) == stands_on_few([*sets, members], people, floor)
        if grown is not None:
            space, sets = grown, [*sets, members]


def test_what_follows_from_earlier_sets_is_no_news() -> None:
    a, b = np.arange(40), np.arange(20, 80)
    space = SetSpace()
    for members in (a, b, np.arange(20), np.arange(40, 80)):
        grown = space.with_set(members, 10, 5)
        assert grown is not None
        space = grown
    again = space.with_set(b, 10, 5)
    assert again is not None
    assert len(again.rows) == len(space.rows) == 3


@pytest.mark.parametrize("cohorts", range(3, 11))
def test_a_person_singled_out_by_many_cohorts_is_not(cohorts: int) -> None:
    """Cohorts that cut the others of 2,000 people into parts: all of them together leave one person."""
    draw = np.random.default_rng(cohorts)
    part, target = draw.integers(0, cohorts - 1, 2_000), 777
    others = np.arange(2_000) != target
    space = SetSpace()
    for k in range(cohorts - 1):
        grown = space.with_set(np.flatnonzero((part == k) & others), 10, 5)
        assert grown is not None
        space = grown
    assert space.with_set(np.arange(2_000), 10, 5) is None


def test_five_people_are_in_a_sum_but_are_not_what_is_left_of_two() -> None:
    small = SetSpace().with_set(np.arange(5), 10, 5)
    assert small is not None
    whole = SetSpace().with_set(np.arange(60), 10, 5)
    assert whole is not None
    assert whole.with_set(np.arange(5, 60), 10, 5) is None


def test_people_who_come_later_are_new() -> None:
    first = SetSpace().with_set(np.arange(50), 10, 5)
    assert first is not None
    assert first.with_set(np.arange(59), 10, 5) is None
    assert first.with_set(np.arange(60), 10, 5) is not None
    assert PRIME == 2_147_483_647


def behind(people: Integers, *variables: str) -> Behind:
    return Behind(np.asarray(people, dtype=np.int64), frozenset(variables))


def test_sets_are_remembered_across_restarts(tmp_path: Path) -> None:
    assert Auditor(tmp_path).admit([behind(np.arange(60), "age")], ROSTER, FLOORS)
    assert not Auditor(tmp_path).admit([behind(np.arange(1, 60), "age")], ROSTER, FLOORS)
    assert Auditor(tmp_path).admit([behind(np.arange(60), "age")], ROSTER, FLOORS)


def test_what_is_refused_is_not_noted(tmp_path: Path) -> None:
    auditor = Auditor(tmp_path)
    assert auditor.admit([behind(np.arange(60), "age")], ROSTER, FLOORS)
    both = [behind(np.arange(100, 160), "age"), behind(np.arange(1, 60), "age")]
    assert not auditor.admit(both, ROSTER, FLOORS)
    assert auditor.admit([behind(np.arange(101, 160), "age")], ROSTER, FLOORS)


def test_numbers_about_other_variables_do_not_combine(tmp_path: Path) -> None:
    auditor = Auditor(tmp_path)
    assert auditor.admit([behind(np.arange(60), "age")], ROSTER, FLOORS)
    assert auditor.admit([behind(np.arange(57), "marker")], ROSTER, FLOORS)
    assert not auditor.admit([behind(np.arange(57), "marker", "age")], ROSTER, FLOORS)


def test_two_sets_of_one_question_combine(tmp_path: Path) -> None:
    """The groups of a variable that one person lacks, and everybody."""
    groups = [behind(np.arange(0, 30), "age"), behind(np.arange(30, 59), "age")]
    assert Auditor(_home(tmp_path, "a")).admit(groups, (), FLOORS)
    assert not Auditor(_home(tmp_path, "b")).admit([*groups, behind(np.arange(60), "age")], (), FLOORS)


@pytest.mark.parametrize(("roster", "may"), [("abc", True), ("abcd", False), ("abd", False), ("defg", True)])
def test_the_same_people_are_not_in_sums_over_nearly_the_same_sites(
    tmp_path: Path, roster: str, may: bool
) -> None:
    auditor = Auditor(tmp_path)
    assert auditor.admit([behind(np.arange(60), "age")], ROSTER, FLOORS)
    assert auditor.admit([behind(np.arange(60), "age")], tuple(roster), FLOORS) is may


def test_a_variable_is_what_it_reads() -> None:
    plain = {"kind": "measurement", "concept": "LOINC:1", "pick": "first", "window": {"from_days": None}}
    assert variable_key(plain) == variable_key(plain | {"pick": "last", "window": {"from_days": -9}})
    assert variable_key(plain) != variable_key(plain | {"concept": "LOINC:2"})


def _home(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name
