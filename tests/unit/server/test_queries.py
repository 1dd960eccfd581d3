"""A query is a study of one summary, made of a few words."""

from pathlib import Path

import pytest

from protocols.core.errors import Code, StudyError
from protocols.describe.query import query_study
from server.actions import queries
from server.actions.queries import EVERYWHERE
from server.coordination.submission import submit_query
from server.home.submissions import State
from site_node.governance import approvals
from tests.lib.consortium import Consortium

GLIOMA = "condition:ICD10CM:C71%"


def test_words_become_variables() -> None:
    study = query_study(GLIOMA, ["age", "gene:IDH1", "LOINC:89243-0"], by="female")
    assert {name: v.kind for name, v in study.variables.items()} == {
        "age": "age",
        "idh1": "gene",
        "loinc_89243_0": "measurement",
        "female": "sex",
    }
    assert study.analyses[0].spec.variables() == ("age", "idh1", "loinc_89243_0", "female")


def test_the_same_words_are_the_same_study() -> None:
    assert query_study(GLIOMA, ["age"]).hash() == query_study(GLIOMA, ["age"]).hash()
    assert query_study(GLIOMA, ["age"]).name != query_study(GLIOMA, ["female"]).name


def test_a_cohort_may_stand_in_a_file_or_in_a_study(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        'name: other\ncohort:\n  index: {domain: condition, concept: "ICD10CM:C71%"}\n'
    )
    assert query_study(str(tmp_path / "study.yaml"), ["age"]).hash() == query_study(GLIOMA, ["age"]).hash()


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path)


def test_a_query_is_answered_under_standing_approvals(consortium: Consortium) -> None:
    for name in consortium.names:
        approvals.approve_standing(
            consortium.folder / name, "summary", by="test", max_studies=5, max_variables=5, days=30
        )
    # The drawn tables have their own column names; these two are among them.
    submitted = queries.ask(consortium.home, GLIOMA, ["age", "gene:IDH1"])
    assert consortium.coordinator().step()
    assert consortium.store.submission(submitted.run).state == State.DONE
    table = queries.answer(consortium.home, submitted.run).rows
    everyone = next(row for row in table if row.site == EVERYWHERE and row.variable == "age")
    assert (everyone.people, everyone.missing) == (360, 0)
    assert {row.site for row in table} == {EVERYWHERE, "a", "b", "c"}
    again = queries.ask(consortium.home, GLIOMA, ["age", "gene:IDH1"])
    assert (again.run, again.state) == (submitted.run, State.DONE)  # not asked again


def test_a_query_without_standing_approvals_ends_at_once(consortium: Consortium) -> None:
    submitted = submit_query(consortium.home, query_study(GLIOMA, ["age"]))
    assert consortium.coordinator().step()
    assert consortium.store.submission(submitted.run).code == Code.TOO_FEW_SITES
    with pytest.raises(StudyError, match="a pending"):
        queries.answer(consortium.home, submitted.run)
