"""RT35: kill -9 and a full disk: nothing leaves that is not audited, and the site goes on afterwards."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from protocols.core.protocol import ask
from site_node.agent.executor import only_agent
from site_node.governance import audit, audit_check, ledger
from tests.lib.attacked_site import AttackedSite
from tests.lib.sites import a_round
from tests.lib.studies import a_study

FIRST = replace(ask("counts"), analysis="ages")


class KilledError(BaseException):
    """The process is gone at this point."""


def killed(*_: object, **__: object) -> None:
    raise KilledError


@pytest.mark.parametrize("at", ["remember", "keep_people"])
def test_who_is_killed_before_the_answer_is_kept_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    sealed = site.center.question(a_round(study, FIRST))
    with monkeypatch.context() as patch:
        patch.setattr(ledger, at, killed)
        with pytest.raises(KilledError):
            site.agent.handle("round", sealed)
    site.restart()
    reply = site.agent.handle("round", sealed)
    site.restart()
    assert site.agent.handle("round", sealed) == reply
    audited = [line for line in audit.lines(tmp_path) if line["event"] == "answered"]
    assert len({line["sha256"] for line in audited}) == 1


def test_what_cannot_be_audited_does_not_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert site.ask(study, FIRST) == Code.SITE_FAILED
    assert ledger.released(tmp_path) == []
    audit_check.verify(tmp_path)
    assert not isinstance(site.ask(study, FIRST), Code)


def test_a_line_torn_by_a_power_cut_is_cut_and_said(tmp_path: Path) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    with (tmp_path / audit.FILE).open("ab") as file:
        file.write(b'{"after": "12')
    assert not isinstance(site.ask(study, FIRST), Code)
    audit_check.verify(tmp_path)
    assert [line["event"] for line in audit.lines(tmp_path)][-3:] == [
        "torn-line-cut",
        "run-opened",
        "answered",
    ]


def test_a_second_agent_does_not_start_on_one_home(tmp_path: Path) -> None:
    """Two agents would each admit what the other one's ledger does not know yet."""
    first = only_agent(tmp_path)
    with pytest.raises(InputError) as caught:
        only_agent(tmp_path)
    assert caught.value.code == Code.ALREADY_EXISTS
    first.close()
    only_agent(tmp_path).close()
