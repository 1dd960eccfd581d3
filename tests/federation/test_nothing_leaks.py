"""Canaries are planted in four hospitals' files; none is in what a site sends, logs, audits or refuses.

The whole way is walked: the files are loaded by the command line, the study is proposed, approved and run
through each site's agent, and questions that fail are asked too. What is searched is every byte that left an
agent, its audit, its log, the words of every command, the quarantine and the report.
"""

import contextlib
import io
import json
import logging
import re
import struct
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from protocols.core.errors import ExitCode
from protocols.core.protocol import ask
from protocols.core.study import Study, read_study
from protocols.exchange.envelope import WireError
from protocols.exchange.rounds import conduct
from protocols.exchange.sides import Center
from protocols.exchange.start import Started
from protocols.exchange.wire import RoundAnswer, RoundQuestion, RoundReply
from server.main import run
from server.report import Left, write_report
from site_node.agent.agent import Agent
from site_node.governance import approvals, audit
from site_node.governance.approvals import State
from site_node.governance.policy import changed
from tests.lib.lgg import HOSPITALS, write_consortium
from tests.lib.sites import Coordinator, a_round, make_site

STUDY = Path(__file__).parents[2] / "docs" / "examples" / "lgg.yaml"
NAME, RECORD_NUMBER, NOTE = "Kanarienvogel", "MRN-5550199", "seen at the lake house"
AGE_LIKE = 7.6543210987  # a number that only one row of all hospitals has
WORDS = (NAME, RECORD_NUMBER, NOTE, "TCGA-", repr(AGE_LIKE), struct.pack("<d", AGE_LIKE).decode("latin-1"))
DONE = (ExitCode.DONE, ExitCode.PARTIAL)  # the planted faults go to quarantine
DATE = re.compile(r"\b(19[3-9]\d|20[01]\d)-[01]\d-[0-3]\d\b")  # all dates of the patients are before 2020


@dataclass
class Consortium:
    """Four sites, their agents, and everything that came out of them."""

    center: Coordinator
    homes: dict[str, Path]
    agents: dict[str, Agent]
    keys: dict[str, object]
    sent: list[bytes] = field(default_factory=list)
    last: dict[str, bytes] = field(default_factory=dict)

    def tell(self, site: str, kind: str, sealed: bytes) -> bytes:
        reply = self.agents[site].handle(kind, sealed)
        self.sent.append(reply)
        return reply

    def start(self, study: Study, run: str) -> Started:
        """The start of a run over all sites. Raises WireError where one refuses."""
        handles = {site: partial(self.tell, site) for site in self.agents}
        begun = self.center.start(study, run, HOSPITALS, handles)
        self.last = dict(begun.openings)
        return begun.started

    def exchange(self, question: RoundQuestion) -> dict[str, RoundAnswer]:
        sealed = self.center.plain_question(question, self.last)
        replies = {site: RoundReply.decode(self.tell(site, "round", sealed)) for site in question.roster}
        self.last = {site: reply.sealed for site, reply in replies.items()}
        return {site: reply.open(self.keys[site].public_key()) for site, reply in replies.items()}  # type: ignore[attr-defined]


def plant(folder: Path) -> None:
    """Puts a name, a record number, a note and a number that is nobody else's into a hospital's files."""
    fhir = folder / "fhir"
    patients = [json.loads(line) for line in (fhir / "Patient.ndjson").read_text().splitlines()]
    for patient in patients:
        patient["name"] = [{"family": NAME, "given": [NAME]}]
        patient["identifier"].append({"system": "urn:mrn", "value": RECORD_NUMBER})
        patient["address"] = [{"line": [NOTE], "city": NAME}]
    (fhir / "Patient.ndjson").write_text("\n".join(map(json.dumps, patients)) + "\n")
    lines = [json.loads(line) for line in (fhir / "Observation.ndjson").read_text().splitlines()]
    for observation in lines:
        observation["note"] = [{"text": NOTE}]
    broken = json.dumps({**lines[0], "effectiveDateTime": NAME, "id": f"{NAME}-x"})
    (fhir / "Observation.ndjson").write_text(
        "\n".join(map(json.dumps, lines)) + f"\n{broken}\n" + broken[:80]
    )
    scores = (folder / "imaging" / "vasari.csv").read_text().splitlines()
    cells = scores[1].split(",")
    cells[scores[0].split(",").index("vasari_f14")] = repr(AGE_LIKE)
    cells[scores[0].split(",").index("vasari_f9")] = NAME
    scores[1] = ",".join(cells)
    (folder / "imaging" / "vasari.csv").write_text("\n".join(scores) + "\n")


def make(folder: Path) -> Consortium:
    write_consortium(folder)
    center = Coordinator()
    homes = {site: folder / "homes" / site for site in HOSPITALS}
    keys: dict[str, object] = {site: make_site(home, site, center) for site, home in homes.items()}
    for site, home in homes.items():
        plant(folder / site)
        for source in (
            ("fhir", folder / site / "fhir"),
            ("image-features", folder / site / "imaging" / "vasari.csv"),
        ):
            assert run(["data", "add", source[0], str(source[1]), "--home", str(home)], as_json=False) in DONE
    return Consortium(center, homes, {site: Agent(home) for site, home in homes.items()}, keys)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Everything that came out of the sites, as one text in which each byte is a character."""
    folder = tmp_path_factory.mktemp("canaries")
    words, log = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(log)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    try:
        with contextlib.redirect_stdout(words), contextlib.redirect_stderr(words):
            consortium = make(folder)
            report = study_is_run(consortium, folder)
            questions_that_fail(consortium)
            for home in consortium.homes.values():
                run(["data", "status", "--home", str(home)], as_json=True)
                run(["data", "unmapped", "--home", str(home)], as_json=True)
                run(["inbox", "simulate", "lgg", "--home", str(home)], as_json=True)
                run(["audit", "show", "--home", str(home)], as_json=True)
                run(["data", "add", "fhir", str(home / "none"), "--home", str(home)], as_json=False)
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    audits = [(home / audit.FILE).read_text() for home in consortium.homes.values()]
    sent = [message.decode("latin-1") for message in consortium.sent]
    everything = "\n".join([*sent, words.getvalue(), log.getvalue(), *audits, report])
    return everything.replace(str(folder), "")


def study_is_run(consortium: Consortium, folder: Path) -> str:
    """The text of the report of the study that four approving sites answered."""
    study = read_study(STUDY)
    for site, home in consortium.homes.items():
        changed(home, "cells", "exact")  # as the study wishes
        changed(home, "digits", "full")
        consortium.tell(site, "propose", consortium.center.proposal(study))
        approvals.decide(home, study, State.APPROVED, by="test")
    begun = consortium.start(study, "r")
    outcome = conduct(study, consortium.exchange, run="r", roster=HOSPITALS, started=begun, side=Center())
    assert (
        outcome["cox_os_strata"].n == 168
    )  # one at each hospital has a name for a score, and is in no analysis
    left = [Left(0, site, len(sent), "0" * 64) for site, sent in consortium.last.items()]
    return write_report(study, outcome, left, folder / "report").read_text()


def questions_that_fail(consortium: Consortium) -> None:
    """Every way to be refused, and a table that cannot be built."""
    study = read_study(STUDY)
    strange = study.model_copy(update={"title": "another"})
    first = replace(ask("counts"), analysis="counts")
    for site, agent in consortium.agents.items():
        tell = consortium.tell
        tell(site, "round", consortium.center.question(a_round(strange, first, roster="abcd")))
        tell(site, "round", consortium.center.question(a_round(study, replace(first, step="rows"), run="x")))
        tell(site, "round", b"\0" * 100)
        tell(site, "propose", Coordinator().proposal(study))
        tell(site, "query", b"")

        def failing(study: Study) -> None:
            raise KeyError(NAME, AGE_LIKE, "2009-03-14")

        agent.table_of, agent._tables = failing, {}  # type: ignore[assignment]
    with pytest.raises(WireError):
        consortium.start(study, "y")


@pytest.mark.parametrize("canary", WORDS, ids=lambda word: "bytes" if not word.isascii() else word)
def test_no_canary_comes_out(said: str, canary: str) -> None:
    assert canary not in said


def test_no_date_of_a_patient_comes_out(said: str) -> None:
    assert not DATE.search(said)


def test_the_canaries_were_there_to_be_found(tmp_path: Path, said: str) -> None:
    write_consortium(tmp_path)
    plant(tmp_path / "CS")
    planted = "".join(path.read_text() for path in (tmp_path / "CS").rglob("*.*"))
    assert all(word in planted for word in WORDS[:5])
    assert DATE.search(planted)
    assert "malformed" in said  # the broken lines were reported
