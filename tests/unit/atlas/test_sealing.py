"""Who is in a study is written down at its approval, and a later load changes nothing about it."""

import json
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from cdm.database import upsert, writing
from cdm.schema import condition_occurrence, observation_period, person, research_consent
from protocols.core.errors import Code, InputError, SiteError
from protocols.core.study import Study, parse_study, read_study
from server.report.sections import question
from site_node.actions import inbox
from site_node.agent.agent import Agent, cdm_tables
from site_node.cli.words import inbox as words
from site_node.governance import approvals
from site_node.home.cdm import open_cdm
from site_node.home.config import load
from site_node.home.register import register
from site_node.study_table import sealing
from tests.lib.shared import shared
from tests.lib.sites import Coordinator, make_site
from tests.lib.studies import a_study

ATLAS = {
    "ConceptSets": [
        {"id": 0, "name": "glioma", "expression": {"items": [{"concept": {"CONCEPT_ID": 32817}}]}}
    ],
    "PrimaryCriteria": {"CriteriaList": [{"ConditionOccurrence": {"CodesetId": 0}}]},
    "InclusionRules": [
        {
            "name": "adults",
            "expression": {
                "Type": "ALL",
                "DemographicCriteriaList": [{"Age": {"Value": 18, "Op": "gte"}}],
            },
        }
    ],
}


class Home:
    """A site with a CDM of a few people, and an agent on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.center = Coordinator()
        make_site(folder, "a", self.center)
        self.center.meet("b", "c")
        self.cdm = open_cdm(load(folder))
        self.agent = Agent(folder)

    def diagnose(self, *people: int, born: int = 1960) -> None:
        with writing(self.cdm) as connection:
            for person_id in people:
                upsert(connection, person, [a_person(person_id, born)])
                upsert(connection, observation_period, [observed(person_id)])
                upsert(connection, condition_occurrence, [diagnosis(person_id)])

    def approve(self, study: Study) -> inbox.Sealing:
        self.agent.handle("propose", self.center.proposal(study))
        sealing = inbox.approve(self.folder, study.name, by="test").sealing
        assert sealing is not None
        return sealing

    def people(self, study: Study) -> list[int]:
        decided_at = approvals.approval(self.folder, study).decided_at
        persons: list[int] = self.agent._table(study, decided_at).persons.tolist()
        return persons


def a_person(person_id: int, born: int) -> dict[str, object]:
    return {
        "person_id": person_id,
        "gender_concept_id": 8507,
        "year_of_birth": born,
        "race_concept_id": 0,
        "ethnicity_concept_id": 0,
    }


def observed(person_id: int) -> dict[str, object]:
    return {
        "observation_period_id": person_id,
        "person_id": person_id,
        "observation_period_start_date": date(2015, 1, 1),
        "observation_period_end_date": date(2025, 1, 1),
        "period_type_concept_id": 32817,
    }


def diagnosis(person_id: int) -> dict[str, object]:
    return {
        "condition_occurrence_id": person_id,
        "person_id": person_id,
        "condition_concept_id": 32817,
        "condition_start_date": date(2020, 1, person_id),
        "condition_type_concept_id": 32817,
        "condition_source_value": "ICD10CM:C71.9",
    }


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    site = Home(tmp_path)
    site.diagnose(1, 2, 3)
    yield site
    site.cdm.dispose()


@pytest.fixture(params=["ours", "atlas"])
def study(request: pytest.FixtureRequest) -> Study:
    return a_study() if request.param == "ours" else a_study(cohort={"circe": ATLAS})


def test_a_later_load_changes_nobody(home: Home, study: Study) -> None:
    assert home.approve(study).people == 3
    home.diagnose(4, 5)
    assert home.people(study) == [1, 2, 3]


def test_a_new_approval_seals_anew(home: Home, study: Study) -> None:
    before = home.approve(study).sha256
    assert home.people(study) == [1, 2, 3]
    home.diagnose(4)
    assert home.approve(study).sha256 != before
    assert home.people(study) == [1, 2, 3, 4]


def test_the_same_people_have_the_same_seal(home: Home) -> None:
    assert home.approve(a_study()).sha256 == home.approve(a_study()).sha256


def test_who_withdraws_is_left_out_of_the_sealed_people(home: Home) -> None:
    home.approve(a_study())
    withdrawal = {"research_consent_id": 1, "person_id": 2, "status": "withdrawn", "permits": False}
    with writing(home.cdm) as connection:
        upsert(connection, research_consent, [{**withdrawal, "stated_at": datetime(2021, 1, 1)}])
    assert home.people(a_study()) == [1, 3]


def test_who_is_erased_is_left_out_of_the_sealed_people(home: Home) -> None:
    home.approve(a_study())
    with writing(home.cdm) as connection:
        connection.execute(person.delete().where(person.c.person_id == 3))
    assert home.people(a_study()) == [1, 2]


def test_under_a_standing_approval_the_first_question_seals(home: Home) -> None:
    approvals.receive(home.folder, a_study().canonical())
    assert cdm_tables(home.folder)(a_study()).persons.tolist() == [1, 2, 3]
    home.diagnose(4)
    assert cdm_tables(home.folder)(a_study()).persons.tolist() == [1, 2, 3]


def test_the_inbox_tells_of_the_seal(home: Home) -> None:
    study = a_study(cohort={"circe": ATLAS})
    home.diagnose(4, born=2010)
    approvals.receive(home.folder, study.canonical())
    assert "when the study is approved" in str(words.study(inbox.shown(home.folder, study.name)))
    digest = home.approve(study).sha256
    shown = inbox.shown(home.folder, study.name)
    assert shown.cohort == {"index event": "condition occurrence of glioma", "adults": ""}
    assert shown.sealing is not None
    assert shown.sealing.attrition == {"index event": 4, "adults": 3}
    assert shown.sealing.sha256 == digest
    assert words.study(shown)["sealed cohort"]["sha256"] == digest


def test_a_changed_register_is_noticed(home: Home) -> None:
    home.approve(a_study())
    with register(home.folder) as db:
        db.execute("""UPDATE sealed_cohort SET people = '[[1,"2020-01-01"]]'""")
    with pytest.raises(SiteError) as raised:
        sealing.sealed(home.folder, a_study())
    assert raised.value.code is Code.TAMPERED


def test_a_study_names_the_file_that_atlas_exported(tmp_path: Path) -> None:
    exported = shared("data/cohorts/283.json")
    content = {**json.loads(a_study().canonical()), "cohort": {"circe": "prostatitis.json"}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"no cohort file prostatitis\.json"):
        read_study(tmp_path / "study.yaml")
    (tmp_path / "prostatitis.json").write_bytes(exported.read_bytes())
    study = read_study(tmp_path / "study.yaml")
    assert study.cohort.steps()[-1] == "No abdominal or inguinal hernia"
    assert parse_study(study.canonical()) == study
    assert "No testicular lesions" in "".join(map(str, question(study).blocks))


def test_an_unsupported_part_is_a_coded_error(tmp_path: Path) -> None:
    event = {"Death": {"ProviderSpecialty": [{"CONCEPT_ID": 1}]}}
    content = {
        **json.loads(a_study().canonical()),
        "cohort": {"circe": {"PrimaryCriteria": {"CriteriaList": [event]}}},
    }
    with pytest.raises(InputError, match="ProviderSpecialty is not supported") as raised:
        parse_study(json.dumps(content).encode())
    assert raised.value.code is Code.INVALID_STUDY


def test_a_query_takes_the_file_that_atlas_exported(engine: Engine) -> None:
    from protocols.describe.query import query_study

    study = query_study(str(shared("data/cohorts/283.json")), ["age"])
    assert study.cohort.steps()[1] == "No Prior Chronic Prostatitis"
