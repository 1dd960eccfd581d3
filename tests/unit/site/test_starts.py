"""How a site starts its runs: what it repeats, what it opens once, what it erases when a run ends."""

import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from protocols.core.errors import Code
from protocols.core.protocol import ask
from protocols.core.study import Study
from protocols.exchange.envelope import WireError, seal, unpack, unseal
from protocols.exchange.start import EndMessage, Hello, StartMessage
from site_node.administration.backup import back_up
from site_node.governance import starts
from tests.lib.attacked_site import AttackedSite
from tests.lib.sites import a_round
from tests.lib.studies import a_study

FIRST = replace(ask("counts"), analysis="ages")
ROSTER = ("a", "b", "c")


class Started(AttackedSite):
    """A site that has approved a study."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.study: Study = a_study()
        self.approve(self.study)

    def say(
        self, run: str, hellos: dict[str, bytes] | None = None, roster: tuple[str, ...] = ROSTER
    ) -> bytes:
        message = StartMessage(self.study.hash(), run, roster, hellos or {})
        return self.agent.handle("start", seal(message.encode(), self.center.key, "start"))

    def end(self, run: str) -> None:
        message = EndMessage(self.study.hash(), run)
        self.agent.handle("end", seal(message.encode(), self.center.key, "end"))

    def code(self, sealed: bytes) -> Code:
        return Code(unpack(unseal(sealed, self.key.public_key(), "status"))["code"])

    def key_files(self) -> list[Path]:
        return sorted(self.home.glob("run/starts/*"))


@pytest.fixture
def site(tmp_path: Path) -> Started:
    return Started(tmp_path / "a")


def test_a_hello_comes_with_the_approval_and_is_repeated_byte_for_byte(site: Started) -> None:
    first = site.say("r1")
    site.restart()
    assert site.say("r1") == first
    said = Hello.decode(unseal(first, site.key.public_key(), "hello"))
    again = Hello.decode(unseal(site.say("r2"), site.key.public_key(), "hello"))
    assert said.key != again.key
    assert said.nonce == again.nonce  # the same study has the same folds, however often it is submitted


def test_an_opening_is_repeated_and_given_for_one_set_of_hellos(site: Started) -> None:
    heard: list[bytes] = []
    handle = site.agent.handle
    site.center.agent = "a", lambda kind, sealed: (heard.append(sealed), handle(kind, sealed))[1]
    site.ask(site.study, FIRST)
    first = handle("start", heard[1])
    assert unseal(first, site.key.public_key(), "opening")
    assert handle("start", heard[1]) == first
    hellos = dict(StartMessage.decode(unseal(heard[1], site.center.key.public_key(), "start")).hellos)
    assert site.code(site.say("r1", {**hellos, "b": hellos["c"]})) == Code.ALREADY_ANSWERED


SPOILED: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "one of another site": lambda hellos: {**hellos, "b": hellos["c"]},
    "one too few": lambda hellos: {site: hellos[site] for site in "ab"},
    "one too many": lambda hellos: {**hellos, "d": hellos["c"]},
    "not this site's own": lambda hellos: {**hellos, "a": hellos["b"]},
}


@pytest.mark.parametrize("name", SPOILED)
def test_hellos_that_are_not_those_of_the_roster_are_not_opened(site: Started, name: str) -> None:
    other = Started(site.home.parent / "other")
    handle = other.agent.handle
    heard: list[bytes] = []
    other.center.agent = "a", lambda kind, sealed: (heard.append(sealed), handle(kind, sealed))[1]
    other.ask(other.study, FIRST)
    honest = dict(StartMessage.decode(unseal(heard[1], other.center.key.public_key(), "start")).hellos)
    refused = other.say("r2", SPOILED[name](honest))
    assert other.code(refused) in (Code.ALREADY_ANSWERED, Code.TAMPERED, Code.BAD_SIGNATURE)


def test_a_round_of_a_run_that_has_not_started_is_refused(site: Started) -> None:
    sealed = site.center.plain_question(a_round(site.study, FIRST))
    assert site.code(site.agent.handle("round", sealed)) == Code.ALREADY_ANSWERED


def test_a_run_that_has_ended_answers_nothing_new(site: Started) -> None:
    site.ask(site.study, FIRST)
    assert len(site.key_files()) == 1
    site.end("r1")
    assert site.key_files() == []
    assert site.code(site.say("r1")) == Code.ALREADY_ANSWERED
    with pytest.raises(WireError):
        unseal(site.say("r1"), site.key.public_key(), "hello")


def test_the_next_run_of_a_study_ends_the_one_before(site: Started) -> None:
    site.say("r1")
    site.say("r2")
    assert len(site.key_files()) == 1
    assert site.code(site.say("r1")) == Code.ALREADY_ANSWERED


def test_what_a_run_began_with_is_erased_in_time(site: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    site.say("r1")
    later = datetime.now(UTC) + timedelta(days=starts.KEPT_DAYS + 1)
    monkeypatch.setattr(starts, "now", lambda: later)
    starts.erase_expired(site.home)
    assert site.key_files() == []


def test_no_backup_opens_a_run(site: Started) -> None:
    site.say("r1")
    (key,) = site.key_files()
    secret = key.read_bytes()
    archive = site.home.parent / "backup.tar"
    back_up(site.home, archive)
    with tarfile.open(archive) as found:
        assert not [name for name in found.getnames() if "starts" in name]
    assert secret not in archive.read_bytes()


def test_a_peer_that_has_another_nonce_for_the_study_than_before_is_refused(site: Started) -> None:
    """Else it would look at the others' nonces in one run, and choose its own for the next."""
    assert not isinstance(site.ask(site.study, FIRST), Code)
    signing, beginning = site.center.invented["b"]
    site.center.invented["b"] = signing, replace(beginning, nonce=bytes(32))
    assert site.ask(site.study, FIRST, run="r2") == Code.TAMPERED
