"""Answers that wait for people: kept after the gate, let go by one or two, byte for byte, or refused."""

from pathlib import Path

import numpy as np
import pytest

from protocols.core.errors import Code, InputError
from protocols.core.protocol import Ask
from protocols.exchange.envelope import unpack, unseal
from protocols.exchange.wire import RoundReply
from site_node.actions import held, policy
from site_node.cli.words import held as words
from site_node.governance import audit, audit_check, holds, ledger
from tests.lib.attacked_site import AttackedSite
from tests.lib.sites import a_round
from tests.lib.studies import a_study, a_table

ASK = Ask("counts", analysis="ages")


def _held_site(folder: Path, hold: str) -> tuple[AttackedSite, bytes]:
    """A site that holds an answer, and its question, sealed."""
    site = AttackedSite(folder, obedient=True)
    policy.set_rule(folder, "hold", hold)
    site.approve(a_study())
    sealed = site.center.question(a_round(a_study(), ASK))
    assert _state(site, site.agent.handle("round", sealed)) == ("held", None)
    return site, sealed


def _state(site: AttackedSite, reply: bytes) -> tuple[object, object]:
    said = unpack(unseal(reply, site.key.public_key(), "status"))
    return said["state"], said["code"]


def test_an_answer_lies_at_the_site_until_a_person_lets_it_go(tmp_path: Path) -> None:
    site, sealed = _held_site(tmp_path, "one")
    site.restart()
    assert _state(site, site.agent.handle("round", sealed)) == ("held", None)
    assert ledger.released(tmp_path) == []
    assert "answered" not in {line["event"] for line in audit.lines(tmp_path)}
    released = held.release(tmp_path, "H1", by="Dr. Hansen")
    assert (released.answer.state, released.study) == (holds.State.RELEASED, a_study().name)
    first = site.agent.handle("round", sealed)
    site.restart()
    assert site.agent.handle("round", sealed) == first
    RoundReply.decode(first).open(site.key.public_key())
    (left,) = ledger.released(tmp_path)
    assert left.bytes == len(first)
    assert audit_check.verify(tmp_path) > 0
    (line,) = [line for line in audit.lines(tmp_path) if line["event"] == "answer-let-go"]
    assert line["account"] == "Dr. Hansen"


def test_what_is_shown_is_this_sites_own_part_of_a_masked_sum(tmp_path: Path) -> None:
    _held_site(tmp_path, "one")
    (part,) = held.shown(tmp_path, "H1").answer.parts
    numbers = {one.name: one.numbers for one in part.arrays}
    ages = a_table().column("age")
    assert part.way == "this site's part of a sum over sites, masked"
    assert numbers["n"].ravel()[0] == len(ages)
    shown = words.answer(held.shown(tmp_path, "H1"))
    assert str(len(ages)) in str(shown["ages.counts"])
    assert words.listed(held.listed(tmp_path))[0]["let go by"] == "nobody (0 of 1)"


def test_two_people_are_two_names(tmp_path: Path) -> None:
    site, sealed = _held_site(tmp_path, "two")
    held.release(tmp_path, "H1", by="Dr. Hansen")
    for again in ("Dr. Hansen", " dr.  hansen"):
        with pytest.raises(InputError, match="has let it go already"):
            held.release(tmp_path, "H1", by=again)
    assert _state(site, site.agent.handle("round", sealed)) == ("held", None)
    assert held.release(tmp_path, "H1", by="Dr. Berg").answer.state is holds.State.RELEASED
    RoundReply.decode(site.agent.handle("round", sealed)).open(site.key.public_key())


def test_a_refused_answer_never_leaves_and_says_what_every_withheld_one_says(tmp_path: Path) -> None:
    site, sealed = _held_site(tmp_path, "two")
    held.release(tmp_path, "H1", by="Dr. Hansen")
    held.refuse(tmp_path, "H1", by="Dr. Berg", note="too few people")
    assert _state(site, site.agent.handle("round", sealed)) == ("refused", str(Code.WITHHELD))
    with pytest.raises(InputError, match="was refused"):
        held.release(tmp_path, "H1", by="Dr. Lund")
    assert held.shown(tmp_path, "H1").answer.parts == ()  # the site's own numbers are erased
    assert (held.listed(tmp_path).answers, ledger.released(tmp_path)) == ((), [])


def test_a_held_round_is_not_answered_to_another_question(tmp_path: Path) -> None:
    site, _ = _held_site(tmp_path, "one")
    other = site.center.question(a_round(a_study(), Ask("counts", {"x": np.zeros(1)}, analysis="ages")))
    assert _state(site, site.agent.handle("round", other)) == ("refused", str(Code.ALREADY_ANSWERED))


def test_who_was_killed_before_the_answer_was_let_off_does_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, sealed = _held_site(tmp_path, "one")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(holds, "_send_off", killed)
        with pytest.raises(KeyboardInterrupt):
            held.release(tmp_path, "H1", by="Dr. Hansen")
    assert _state(site, site.agent.handle("round", sealed)) == ("held", None)
    assert held.release(tmp_path, "H1", by="Dr. Hansen").answer.state is holds.State.RELEASED


def test_a_protocol_may_be_held_and_the_others_not(tmp_path: Path) -> None:
    site = AttackedSite(tmp_path, obedient=True)
    policy.set_rule(tmp_path, "hold", "two")
    policy.set_rule(tmp_path, "holds.summary", "none")
    site.approve(a_study())
    answers = site.ask(a_study(), ASK)
    assert isinstance(answers, tuple)
    policy.set_rule(tmp_path, "holds.summary", "off")
    assert policy.shown(tmp_path).rules["holds"] == {}
