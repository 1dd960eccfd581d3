"""A center is looked after by people: what they do is audited, sites come and go, a backup brings it back."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError, ShadowgraphError, StudyError
from protocols.exchange.envelope import WireError
from protocols.runtime import audit_chain
from protocols.runtime.accounts.machine import unix_user
from protocols.runtime.accounts.roles import Role
from server.actions import audit, network, people, studies
from server.home.store import Store
from server.home.submissions import State, Submission
from site_node.actions import site
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path, ("a", "b", "c", "d"))


def _last(home: Path) -> tuple[str, dict[str, object]]:
    (line,) = audit.shown(home, last=1).lines
    return line.event, dict(line.facts)


ACTS: dict[str, Callable[[Consortium], object]] = {
    "site-invited": lambda c: network.invite(c.home, "e", out=c.folder / "e"),
    "site-enrolled": lambda c: network.enrol(c.home, c.folder / "a.enrolment"),
    "statements-kept": lambda c: network.confirm(c.home, c.folder / "members.json"),
    "backed-up": lambda c: network.backup(c.home, c.folder / "center.tar"),
    "account-invited": lambda c: people.invite(c.home, "liv", [Role.ANALYST], by="nora"),
    "account-roles": lambda c: people.give_roles(c.home, "ada", [Role.AUDITOR], by="nora"),
    "account-disabled": lambda c: people.disable(c.home, "ada"),
    "study-signed": lambda c: c.propose(logistic_study()),
    "study-withdrawn": lambda c: studies.withdraw(c.home, c.store.entries()[0].run, by="nora"),
    "site-suspended": lambda c: network.suspend(c.home, "d", by="nora"),
    "site-resumed": lambda c: network.resume(c.home, "d", by="nora"),
    "certificate-renewed": lambda c: network.renew(c.home),
    "site-removed": lambda c: network.remove(c.home, "d", by="nora"),
}


def test_what_a_person_does_is_a_line_with_account_and_unix_user(consortium: Consortium) -> None:
    people.invite(consortium.home, "ada", [Role.ANALYST])
    network.members(consortium.home, out=consortium.folder / "members.json")
    for event, act in ACTS.items():
        act(consortium)
        said, facts = _last(consortium.home)
        assert (said, facts["unix_user"]) == (event, unix_user())
        assert facts["account"] in ("nora", unix_user())
    assert audit.verify(consortium.home).lines >= len(ACTS)


def test_an_altered_line_of_the_center_is_found_and_mended(consortium: Consortium) -> None:
    network.suspend(consortium.home, "d")
    file = consortium.home / audit_chain.FILE
    file.write_text(file.read_text().replace('"site": "d"', '"site": "a"', 1))
    with pytest.raises(StudyError, match="breaks at line"):
        audit.verify(consortium.home)
    assert audit.mend(consortium.home).mended.dropped > 0
    assert audit.verify(consortium.home).lines > 0


@pytest.mark.slow
def test_a_suspended_site_is_asked_nothing_until_it_is_resumed(consortium: Consortium) -> None:
    consortium.decide(logistic_study(), "approved")
    network.suspend(consortium.home, "d")
    assert [one.name for one in network.sites(consortium.home).sites if one.is_suspended] == ["d"]
    run = consortium.propose(logistic_study()).run
    assert list(consortium.ends(run).roster or ()) == ["a", "b", "c"]
    assert not any(name == "d" for _, name in consortium.asked)
    with pytest.raises(WireError):
        consortium.store.key_of("d")
    with pytest.raises(InputError) as refused:
        consortium.propose(logistic_study("by-name"), sites=["a", "b", "c", "d"])
    assert refused.value.code is Code.NOT_FOUND
    network.resume(consortium.home, "d")
    again = logistic_study("again")
    consortium.decide(again, "approved")
    assert list(consortium.ends(consortium.propose(again).run).roster or ()) == ["a", "b", "c", "d"]


def test_a_removed_site_is_unknown_and_may_come_back_by_an_invitation(consortium: Consortium) -> None:
    network.remove(consortium.home, "d")
    assert "d" not in consortium.store.site_keys()
    with pytest.raises(InputError) as refused:
        network.enrol(consortium.home, consortium.folder / "d.enrolment")
    assert refused.value.code is Code.NOT_FOUND
    network.invite(consortium.home, "d", out=consortium.folder / "d.again")
    network.enrol(consortium.home, consortium.folder / "d.enrolment")
    assert "d" in consortium.store.site_keys()


@pytest.mark.parametrize("verb", [network.suspend, network.resume, network.remove])
def test_a_site_that_is_not_there_is_an_error(consortium: Consortium, verb: Callable[..., object]) -> None:
    with pytest.raises(InputError) as refused:
        verb(consortium.home, "nobody")
    assert refused.value.code is Code.NOT_FOUND


def test_a_site_that_is_suspended_twice_is_an_error(consortium: Consortium) -> None:
    network.suspend(consortium.home, "d")
    with pytest.raises(InputError) as refused:
        network.suspend(consortium.home, "d")
    assert refused.value.code is Code.ALREADY_EXISTS


def test_a_site_with_new_keys_has_none_of_the_earlier_ones(consortium: Consortium) -> None:
    before = {one.name: one.enrolment for one in consortium.store.sites()}["d"]
    site.renew(consortium.folder / "d", out=consortium.folder / "answer")
    network.enrol(consortium.home, consortium.folder / "answer", new_keys=True)
    after = {one.name: one.enrolment for one in consortium.store.sites()}["d"]
    assert before is not None
    assert after is not None
    assert all(
        getattr(before, key) != getattr(after, key) for key in type(before).model_fields if "key" in key
    )


def _to_round(consortium: Consortium, run: str, rounds: int) -> None:
    coordinator = consortium.coordinator()
    while len(consortium.store.memory(run)) < rounds:
        assert coordinator.turn()


def _coefficients(ended: Submission) -> list[float]:
    """Of the one model; each run climbs in a basis of its own, and rounds in its last digits."""
    found: list[float] = json.loads(ended.outcome or b"")["results"]["idh1"]["result"]["coef"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("further", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_study_goes_on_after_its_center_was_restored(consortium: Consortium, further: int) -> None:
    study = logistic_study()
    consortium.decide(study, "approved")
    run = consortium.propose(study).run
    _to_round(consortium, run, 2)
    network.backup(consortium.home, consortium.folder / "center.tar")
    _to_round(consortium, run, 2 + further)
    restored = network.restore(consortium.folder / "again", consortium.folder / "center.tar")
    assert restored.open_studies == 1
    consortium.home, consortium.store = restored.home, Store(restored.home)
    consortium.settings = consortium.settings.model_copy(update={"home": restored.home})
    ended = consortium.ends(run)
    assert ended.state is State.DONE
    whole = Consortium(consortium.folder / "whole", consortium.names)
    whole.decide(study, "approved")
    expected = whole.ends(whole.propose(study).run)
    assert _coefficients(ended) == pytest.approx(_coefficients(expected), rel=1e-9)
    assert _last(restored.home)[0] == "restored"


def test_a_backup_that_was_altered_leaves_nothing(consortium: Consortium) -> None:
    archive = consortium.folder / "center.tar"
    network.backup(consortium.home, archive)
    data = bytearray(archive.read_bytes())
    data[data.index(b'consortium = "Test"') + 14] ^= 1
    archive.write_bytes(data)
    with pytest.raises(ShadowgraphError) as refused:
        network.restore(consortium.folder / "again", archive)
    assert refused.value.code is Code.TAMPERED
    assert not list((consortium.folder / "again").iterdir())
