"""What a newcomer meets first: slips that are named with a way out, pipes, Ctrl-C, help."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from protocols.core.errors import ExitCode, InputError
from protocols.core.study import study_of_text
from server.actions.runs import RunEvent
from server.administration.enrolment import invite, make_center
from server.cli.words.studies import say
from server.home.config import load as center_of
from server.main import run
from site_node.governance import approvals, audit
from site_node.home.config import load as site_of
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

STUDY = """
name: NAME
title: A study
cohort: {index: {domain: condition, concept: "CONCEPT"}}
variables: {age: {kind: age}}
analyses: [{name: ages, spec: {protocol: summary, FIELD: [age]}}]
"""


def text(name: str = "a", concept: str = "ICD10CM:C71%", field: str = "of") -> str:
    return STUDY.replace("NAME", name).replace("CONCEPT", concept).replace("FIELD", field)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (text(name="My Study"), "name: is written with small letters, digits and -, up to 60"),
        (text(concept="C71%"), "index.concept: is written with VOCABULARY:CODE"),
        (text(field="offf"), "there is no such field"),
        ("name: a\n", "title: is missing"),
        ("- a list\n", "the file holds none"),
    ],
)
def test_a_slip_in_a_study_is_said_without_the_words_of_the_machinery(given: str, said: str) -> None:
    assert study_of_text(text()).name == "a"
    with pytest.raises(InputError) as raised:
        study_of_text(given)
    assert said in raised.value.text
    for word in ("function-", "constrained", "pydantic", "Input should", "tuple["):
        assert word not in raised.value.text


def test_a_field_that_is_nearly_right_is_asked_about() -> None:
    cox = text().replace("protocol: summary, of: [age]", "protocol: cox, outcome: age, covariats: [age]")
    with pytest.raises(InputError, match="did you mean covariates"):
        study_of_text(cox)


@pytest.mark.parametrize("name", ["St. Mary's", "../x", ""])
def test_a_site_whose_name_cannot_be_one_is_refused_in_words(tmp_path: Path, name: str) -> None:
    make_center(tmp_path, "Test", port=0)
    with pytest.raises(InputError, match="the invitation is not valid: site"):
        invite(tmp_path, name)


@pytest.mark.parametrize("of", [center_of, site_of])
def test_who_has_a_folder_already_is_told_how_to_name_it(tmp_path: Path, of: object) -> None:
    with pytest.raises(InputError) as raised:
        of(tmp_path)  # type: ignore[operator]
    assert "--home" in raised.value.fix
    assert "SHADOWGRAPH_HOME" in raised.value.fix


def test_a_reader_that_has_read_enough_is_no_crash() -> None:
    code = (
        "import sys; sys.argv = ['shadowgraph', '--version', '--json']; from server.main import main; main()"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == ExitCode.FAILED


def test_who_stops_watching_is_told_that_the_study_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    def events() -> Iterator[RunEvent]:
        yield RunEvent(1, "0123abcd", datetime(2026, 1, 1, tzinfo=UTC), "asked", "round 0")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        say(events())
    said = capsys.readouterr().err
    assert "the study goes on" in said
    assert "study withdraw 0123abcd" in said


def test_a_wrong_word_is_json_where_json_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["study", "reprot"], as_json=True) == ExitCode.USAGE
    assert json.loads(capsys.readouterr().out)["error"] == "usage"
    assert run(["study", "-h"], as_json=False) == ExitCode.DONE


def test_why_a_study_was_refused_stands_in_the_audit(tmp_path: Path) -> None:
    consortium = Consortium(tmp_path)
    study = logistic_study()
    home = tmp_path / "a"
    approvals.receive(home, study.canonical())
    approvals.decide(home, study, approvals.State.REFUSED, by="ingrid", note="no ethics vote yet")
    (line,) = [one for one in audit.lines(home) if one["event"] == "study-refused"]
    assert line["note"] == "no ethics vote yet"
    assert "days" not in line
    assert consortium.names == ("a", "b", "c")
