"""Values of people as the auditor knows them: a corrected one makes another person of its owner."""

from pathlib import Path

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.table import Integers
from site_node.governance.auditor import Auditor, Behind
from site_node.governance.first_values import FirstValues, digests_of

PEOPLE, ROSTER = np.arange(100), ("a", "b", "c")
AGE = np.linspace(20, 80, 100)


def digests(values: object) -> Integers:
    return digests_of({"age": np.asarray(values)}, 100, 7)


def admitted(auditor: Auditor, values: object, variable: str = "age") -> bool:
    asked = Behind(PEOPLE, frozenset({variable}), {variable: digests(values)})
    return auditor.admit([asked], ROSTER, Thresholds())


def corrected(people: int) -> np.ndarray:
    return AGE + 3.0 * (np.arange(100) < people)


def test_a_corrected_value_is_another_set_until_five_people_are_corrected(tmp_path: Path) -> None:
    """Each is two of the floor's ten: the person with the old value, and with the new one."""
    auditor = Auditor(tmp_path)
    assert admitted(auditor, AGE)
    assert admitted(auditor, AGE)
    assert not admitted(auditor, corrected(1))
    assert not admitted(Auditor(tmp_path), corrected(4))
    assert admitted(auditor, AGE * (1 + 1e-12))  # the last digits of a feature that was computed again
    assert admitted(auditor, corrected(40))


def test_another_variable_of_the_same_people_is_not_touched(tmp_path: Path) -> None:
    auditor = Auditor(tmp_path)
    assert admitted(auditor, AGE)
    assert admitted(auditor, corrected(1), "kps")


def test_labels_and_numbers_have_digests_that_hang_on_the_key_and_on_themselves_alone() -> None:
    scanners = np.array(["A", "B", None] * 10, dtype=object)
    found = digests_of({"scanner": scanners}, 30, 7)
    assert len(set(found.tolist())) == 3
    assert found[0] == digests_of({"scanner": scanners[:1]}, 1, 7)[0]
    assert found[0] != digests_of({"scanner": scanners[:1]}, 1, 8)[0]


def test_first_values_stay_the_first() -> None:
    none = FirstValues(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    first = none.with_people(PEOPLE[50:], digests(AGE)[50:]).with_people(PEOPLE, digests(corrected(60)))
    assert first.others(PEOPLE[50:], digests(AGE)[50:]).tolist() == list(range(50, 100))
    changed = first.others(PEOPLE, digests(AGE))
    assert (changed[:50] < 0).all()
    assert (changed[50:] == PEOPLE[50:]).all()
