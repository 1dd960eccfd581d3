"""RT01, RT42: two cohorts that differ by few people, and one cohort before and after few people came."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocols.core.errors import Code
from protocols.core.protocol import ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from site_node.governance import approvals, ledger
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study

FIRST = replace(ask("counts"), analysis="ages")
EVERYBODY = np.arange(60)


def asked_about(home: Path, first: object, then: object, *, standing: bool = False) -> tuple[object, object]:
    """What a site says to two studies, the one about these people and the other about those."""
    people = {"first": np.asarray(first, dtype=np.int64), "then": np.asarray(then, dtype=np.int64)}

    def table_of(study: Study) -> AnalysisTable:
        persons = people[study.title]
        return AnalysisTable("a", persons, {"age": persons.astype(float)})

    site = AttackedSite(home, table_of)
    if standing:
        approvals.approve_standing(home, "summary", by="test", max_studies=9, max_variables=5, days=1)
    said = []
    for title in people:
        study = a_study(title=title)
        site.propose(study) if standing else site.approve(study)
        said.append(site.ask(study, FIRST))
        site.restart()
    return said[0], said[1]


@pytest.mark.parametrize("standing", [True, False])
@pytest.mark.parametrize(
    "then",
    [EVERYBODY[:-1], EVERYBODY[9:], np.arange(61), np.arange(4, 64), EVERYBODY[EVERYBODY != 30]],
    ids=["one less", "nine less", "one more", "four others", "one in the middle less"],
)
def test_people_who_differ_by_few_are_not_answered_about(
    tmp_path: Path, then: object, standing: bool
) -> None:
    first, second = asked_about(tmp_path, EVERYBODY, then, standing=standing)
    assert not isinstance(first, Code)
    assert isinstance(second, Code)


@pytest.mark.parametrize(
    "then",
    [EVERYBODY, EVERYBODY[10:], np.arange(70), np.arange(100, 160)],
    ids=["same", "less", "more", "others"],
)
def test_the_same_people_or_ten_others_are(tmp_path: Path, then: object) -> None:
    assert not any(isinstance(said, Code) for said in asked_about(tmp_path, EVERYBODY, then))


def test_the_same_study_is_not_answered_about_one_person_more(tmp_path: Path) -> None:
    count = [40]
    site = AttackedSite(
        tmp_path, lambda study: AnalysisTable("a", np.arange(count[0]), {"age": np.ones(count[0])})
    )
    study = a_study()
    site.approve(study)
    assert not isinstance(site.ask(study, FIRST, run="r1"), Code)
    count[0] += 1
    site.restart()
    assert isinstance(site.ask(study, FIRST, run="r2"), Code)


def test_people_too_few_to_be_in_any_answer_block_no_other_study(tmp_path: Path) -> None:
    assert not isinstance(asked_about(tmp_path, EVERYBODY[:3], EVERYBODY[:9])[1], Code)


def test_two_hundred_cohorts_of_twenty_thousand_people_are_compared_in_fifty_milliseconds(
    tmp_path: Path,
) -> None:
    draw = np.random.default_rng(1)
    for _ in range(200):
        ledger.keep_people(tmp_path, np.sort(draw.choice(2**62, 20_000)))
    persons = np.sort(draw.choice(2**62, 20_000))
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        ledger.refuse_few_apart(tmp_path, persons, 10)
        seconds.append(time.perf_counter() - begun)
    print(f"{min(seconds) * 1000:.1f} ms")
    assert min(seconds) < 0.05
