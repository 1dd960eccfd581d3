"""A consortium whose people confirm each other: over whom a study runs, and what it waits for."""

from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from server.actions import network
from server.administration.enrolment import enrol, invite, member_list
from server.home.submissions import State
from site_node.actions import peers, site
from site_node.administration.enrolment import join
from site_node.administration.setup import make_site
from site_node.agent.agent import Agent
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study
from tests.lib.table_agent import table_of


class Growing(Consortium):
    """A consortium that a fourth site joins."""

    def join(self, name: str) -> None:
        """Enrols a site; nobody confirmed it yet."""
        home, invitation, answer = self.folder / name, self.folder / "invitation", self.folder / "answer"
        make_site(home, name, runtime_port=0)
        invite(self.home, name).write(invitation)
        join(home, invitation).write(answer)
        enrol(self.home, answer)
        self.agents[name] = Agent(home, table_of=table_of(name))

    def fingerprint(self, name: str) -> str:
        """What a person at a site reads out."""
        return peers.listed(self.folder / name).fingerprint

    def confirm(self, by: str, *names: str) -> None:
        """People at a site confirm others; what they said travels with the site's next reply."""
        read_out, members = {name: self.fingerprint(name) for name in names}, self.folder / "members.json"
        network.members(self.home, out=members)
        peers.confirm(self.folder / by, read_out, file=members, out=self.folder / "out")

    def roster(self, name: str) -> list[str]:
        """The sites over which a study ran."""
        study = logistic_study(name)
        self.decide(study, "approved", *self.agents)
        return list(self.ends(self.propose(study).run).roster or ())


@pytest.fixture
def consortium(tmp_path: Path) -> Growing:
    return Growing(tmp_path)


def test_a_new_site_takes_part_once_people_at_two_sites_confirmed_it(consortium: Growing) -> None:
    consortium.join("d")
    assert consortium.roster("first") == ["a", "b", "c"]
    consortium.confirm("a", "d")
    consortium.confirm("d", "a", "b")
    assert consortium.roster("second") == ["a", "b", "c"]
    consortium.confirm("b", "d")
    assert consortium.roster("third") == ["a", "b", "c", "d"]
    known = {peer.site: peer for peer in peers.listed(consortium.folder / "c").sites}
    assert known["d"].is_member
    assert known["d"].confirmed_by == ("a", "b")


def test_a_study_waits_for_people_who_confirm_each_other(tmp_path: Path) -> None:
    consortium = Growing(tmp_path, names=())
    for name in "abc":
        consortium.join(name)
    study, coordinator = logistic_study(), consortium.coordinator()
    consortium.decide(study, "approved", *"abc")
    run = consortium.propose(study).run
    assert not coordinator.step()
    assert consortium.store.submission(run).state == State.WAITING
    assert "not confirmed by people at two sites" in [e["what"] for e in consortium.store.events(run)]
    for name in "abc":
        consortium.confirm(name, *({*"abc"} - {name}))
    consortium.store.wait(run, 0)
    assert coordinator.step()
    assert consortium.store.submission(run).state == State.DONE


@pytest.mark.slow
def test_a_site_with_new_keys_takes_part_again_once_two_sites_confirmed_them(consortium: Growing) -> None:
    consortium.join("d")
    for name in "abcd":
        consortium.confirm(name, *({*"abcd"} - {name}))
    answer = consortium.folder / "answer"
    site.renew(consortium.folder / "d", out=answer)
    with pytest.raises(InputError) as caught:
        network.enrol(consortium.home, answer)
    assert caught.value.code == Code.ALREADY_EXISTS
    network.enrol(consortium.home, answer, new_keys=True)
    consortium.agents["d"] = Agent(consortium.folder / "d", table_of=table_of("d"))
    assert consortium.roster("first") == ["a", "b", "c"]
    consortium.confirm("a", "d")
    consortium.confirm("b", "d")
    assert consortium.roster("second") == ["a", "b", "c", "d"]


@pytest.mark.slow
def test_a_removed_site_takes_part_no_more(consortium: Growing) -> None:
    consortium.join("d")
    consortium.join("e")
    for name in "abcde":
        consortium.confirm(name, *({*"abcde"} - {name}))
    assert consortium.roster("first") == [*"abcde"]
    for by in "ab":
        peers.remove(consortium.folder / by, "e", out=consortium.folder / "out")
    assert consortium.roster("second") == [*"abcd"]


def test_a_wrong_fingerprint_confirms_nobody(consortium: Growing) -> None:
    consortium.join("d")
    members = consortium.folder / "members.json"
    network.members(consortium.home, out=members)
    home = consortium.folder / "a"
    with pytest.raises(InputError) as caught:
        peers.confirm(home, {"d": consortium.fingerprint("b")}, file=members)
    assert caught.value.code == Code.TAMPERED
    with pytest.raises(InputError) as caught:
        peers.confirm(home, {"z": "1f0c"})
    assert caught.value.code == Code.NOT_FOUND


def test_a_list_or_statement_of_another_consortium_is_refused(consortium: Growing, tmp_path: Path) -> None:
    other = Growing(tmp_path / "other")
    foreign = tmp_path / "foreign.json"
    member_list(other.home).write(foreign)
    for read in (
        lambda: peers.listed(consortium.folder / "a", foreign),
        lambda: network.confirm(consortium.home, foreign),
    ):
        with pytest.raises(InputError, match="another consortium"):
            read()
