"""Who decides about a study sees what of its variables rests on doubt, and how to mend it."""

from pathlib import Path

from cdm.vocabulary.doubts import DOUBTS
from site_node.actions import inbox
from site_node.agent.agent import Agent
from site_node.agent.published_before import PublishedBefore
from site_node.agent.simulation import Doubtful
from site_node.home.cdm import open_cdm
from site_node.home.config import load
from tests.lib.fhir_resources import PATIENT, condition, loads, observation_of
from tests.lib.sites import Coordinator, make_site
from tests.lib.studies import a_study


def test_a_simulation_counts_the_records_in_doubt(tmp_path: Path) -> None:
    center = Coordinator()
    make_site(tmp_path, "a", center)
    center.meet("b", "c")
    engine = open_cdm(load(tmp_path))
    for number, quantity in enumerate(({"value": 70, "code": "/min"}, {"value": 80}, {"value": 90})):
        about = {"subject": {"reference": f"Patient/p{number}"}}
        pulse = observation_of(**about, effectiveDateTime="2015-06-11", valueQuantity=quantity)
        diagnosed = {**condition(**about), "id": f"c{number}"}
        loads(engine, {**PATIENT, "id": f"p{number}"}, diagnosed, {**pulse, "id": f"o{number}"})
    study = a_study(
        variables={
            "age": {"kind": "age"},
            "pulse": {"kind": "measurement", "concept": "LOINC:8867-4", "unit": "/min"},
        }
    )
    Agent(tmp_path).handle("propose", center.proposal(study))
    found = inbox.simulate(tmp_path, study.name)
    assert found.people == 3
    assert found.missing["pulse"] == 2
    assert found.in_doubt == {"pulse": 2}
    assert (
        found.published == inbox.shown(tmp_path, study.name).published == PublishedBefore(None, 0.0, 0.33, ())
    )
    assert found.doubts == (Doubtful("pulse", "unit-missing", 2, DOUBTS["unit-missing"].way_out),)
