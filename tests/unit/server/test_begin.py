"""One silent site holds nobody: a study begins with those who approved, once a person says so."""

from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from server.actions import studies
from server.home.submissions import State
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study


def test_a_study_begins_with_those_who_approved_once_a_person_says_so(tmp_path: Path) -> None:
    consortium = Consortium(tmp_path, ("a", "b", "c", "d"))
    study = logistic_study()
    run = consortium.propose(study).run
    coordinator = consortium.coordinator()
    with pytest.raises(InputError, match="0 sites have approved, the study needs 3"):
        studies.begin(consortium.home, run)
    consortium.decide(study, "approved", "a", "b", "c")
    coordinator.step()
    assert consortium.store.submission(run).state is State.WAITING
    studies.begin(consortium.home, run, by="nora")
    assert consortium.ends(run, coordinator).state is State.DONE
    assert studies.shown(consortium.home, run).sites[-1].state == "pending"
    assert ("waits for no further site", "nora") in [
        (event["what"], event["detail"]) for event in consortium.store.events(run)
    ]
    with pytest.raises(InputError) as raised:
        studies.begin(consortium.home, run)
    assert raised.value.code is Code.INVALID_INPUT
