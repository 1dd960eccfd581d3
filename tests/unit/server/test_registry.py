"""Models out of a study's results: their cards, what stands against a release, and the signed file."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from protocols.core.study import Study
from protocols.exchange.envelope import unseal
from protocols.runtime.accounts.roles import Actor, Role, Way
from server.actions import audit
from server.desk import models as desk
from server.home.identity import coordinator_key
from server.home.owners import Owners
from server.registry import models
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "sex", "marker_a", "marker_b"]}
NORA = Actor("nora", frozenset({Role.MEMBER, Role.ANALYST}), Way.SESSION)
TOVE = Actor("tove", frozenset({Role.MEMBER, Role.ANALYST}), Way.SESSION)
CARL = Actor("carl", frozenset({Role.MEMBER, Role.COORDINATOR}), Way.SESSION)


def study() -> Study:
    """A model that the study attacks and judges, one that nobody attacks, and a table."""
    content = json.loads(logistic_study("registry").canonical())
    content["analyses"] = [
        {"name": "risk", "spec": {"protocol": "model_risk", "model": MODEL, "most": 0.05}},
        {
            "name": "judged",
            "spec": {"protocol": "discrimination", "model": MODEL, "scheme": {"kind": "folds", "of": 3}},
        },
        {"name": "attacked", "spec": MODEL},
        {"name": "other", "spec": {**MODEL, "covariates": ["age"]}},
        {"name": "table", "spec": {"protocol": "summary", "of": ["age"]}},
    ]
    return Study.model_validate(content)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The center's folder, and nora's run of the study."""
    consortium = Consortium(tmp_path_factory.mktemp("registry"))
    run = consortium.propose(study()).run
    Owners(consortium.home).note(run, "nora")
    consortium.decide(study(), "approved")
    consortium.ends(run)
    return consortium.home, run


@pytest.mark.slow
def test_a_card_says_who_judged_and_attacked_the_model(ran: tuple[Path, str]) -> None:
    home, run = ran
    model = desk.register(home, NORA, run, "attacked", title="IDH1 from age and markers")
    assert (model.state, model.registered_by) == ("draft", "nora")
    assert model.card.judged_by == ("risk", "judged")
    assert (model.card.predicts, model.card.people, model.card.sites) == (
        "a probability",
        360,
        ("a", "b", "c"),
    )
    assert set(model.card.found) == {"loss", "likelihood ratio"}
    assert model.objections == ()
    again = desk.register(home, NORA, run, "attacked")
    assert again.number == model.number


@pytest.mark.slow
def test_two_people_release_it_as_a_signed_file(ran: tuple[Path, str]) -> None:
    home, run = ran
    number = desk.register(home, NORA, run, "attacked").number
    with pytest.raises(InputError, match="draft"):
        models.file_of(home, number)
    assert models.release(home, number, by="carl").state == "draft"
    with pytest.raises(InputError, match="said so before"):
        models.release(home, number, by="carl")
    assert models.release(home, number, by="siri", note="seen").state == "released"
    told = json.loads(models.file_of(home, number).text)
    sealed = base64.b64decode(told["sealed"])
    body = json.loads(unseal(sealed, coordinator_key(home).public_key(), "model"))
    assert body == told["model"]
    assert len(body["result"]["coef"]) == 5
    assert models.withdraw(home, number, by="carl").state == "withdrawn"
    with pytest.raises(InputError, match="withdrawn"):
        models.file_of(home, number)
    acts = [one for one in audit.shown(home).lines if one.event.startswith("model-")]
    of_this = [(one.event, one.facts["account"]) for one in acts if one.facts["model"] == number]
    assert of_this == [
        ("model-registered", "nora"),
        ("model-released", "carl"),
        ("model-released", "siri"),
        ("model-withdrawn", "carl"),
    ]


@pytest.mark.slow
def test_a_model_that_nobody_attacked_is_not_released(ran: tuple[Path, str]) -> None:
    home, run = ran
    model = desk.register(home, NORA, run, "other")
    assert "nobody attacked it" in model.objections[0]
    with pytest.raises(InputError) as raised:
        models.release(home, model.number, by="carl")
    assert raised.value.code is Code.WITHHELD
    too_much = replace(model.card, found={"loss": 0.4}, allowed=0.05)
    assert "finds 40.0%" in too_much.objections()[0]


@pytest.mark.slow
@pytest.mark.parametrize("analysis", ["table", "risk", "nothing"])
def test_what_predicts_nothing_is_no_model(ran: tuple[Path, str], analysis: str) -> None:
    home, run = ran
    with pytest.raises(InputError):
        desk.register(home, NORA, run, analysis)


@pytest.mark.slow
def test_a_draft_is_for_its_owner_and_a_coordinator(ran: tuple[Path, str]) -> None:
    home, run = ran
    number = desk.register(home, NORA, run, "other").number
    assert number in [one.number for one in desk.listed(home, CARL).models]
    assert number not in [one.number for one in desk.listed(home, TOVE).models]
    for call in (lambda: desk.shown(home, TOVE, number), lambda: desk.register(home, TOVE, run, "other")):
        with pytest.raises(InputError) as raised:
            call()
        assert raised.value.code is Code.NOT_FOUND
