"""Builders of sites: a folder with settings and keys, and a coordinator that signs."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.exchange.enrolment import Invitation
from protocols.exchange.envelope import WireError, seal
from protocols.exchange.keys import masking_key, public_text, sign_masking_key, signing_key, verifying_key
from protocols.exchange.membership import SiteKeys, Statement, statement
from protocols.exchange.proposal import Proposal
from protocols.exchange.start import (
    Beginning,
    Hello,
    Opening,
    Started,
    StartMessage,
    hello,
    open_start,
    read_hellos,
    read_openings,
    started,
)
from protocols.exchange.wire import RoundMessage, RoundQuestion

Handle = Callable[[str, bytes], bytes]
"""An agent's: (kind, sealed message) -> sealed answer."""


@dataclass(frozen=True)
class Begun:
    """A run that has started: what everybody knows of it, and each site's sealed opening."""

    started: Started
    openings: Mapping[str, bytes]


@dataclass
class Coordinator:
    """Signs studies and questions, as the center does; sites that it invented say what it lets them say.

    Attributes:
        agent: the one agent that questions are for; a run is started with it before its first question.
        begun: (study, run) -> a run that has started.
        studies: what it proposed, by hash.
        invented: site -> the keys of one of which there is nothing else.
        members: the sites whose people confirmed each other, with their keys.
    """

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sites: dict[str, SiteKeys] = field(default_factory=dict)
    agent: tuple[str, Handle] | None = None
    begun: dict[tuple[str, str], Begun] = field(default_factory=dict)
    studies: dict[str, Study] = field(default_factory=dict)
    members: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    invented: dict[str, tuple[Ed25519PrivateKey, Beginning]] = field(default_factory=dict)

    def meet(self, *names: str, confirmed: bool = True) -> None:
        """Enrols sites of which there are only keys; people at all members have `confirmed` each other."""
        for name in names:
            signing = Ed25519PrivateKey.generate()
            self.invented[name] = signing, Beginning.fresh()
            self.sites[name] = site_keys(signing, X25519PrivateKey.generate())
            if confirmed:
                self.members[name] = signing

    def statements(self) -> tuple[Statement, ...]:
        """What people at the members said: each confirms each other."""
        center = public_text(self.key.public_key())
        return tuple(
            statement(center, "confirm", site, public_text(key.public_key()), by=by, key=by_key)
            for by, by_key in self.members.items()
            for site, key in self.members.items()
            if site != by
        )

    def proposal(self, study: Study) -> bytes:
        """The sealed proposal of a study to the sites that this coordinator has met."""
        self.studies[study.hash()] = study
        sealed = seal(study.canonical(), self.key, "study")
        return seal(Proposal(sealed, self.sites, statements=self.statements()).encode(), self.key, "proposal")

    def start(
        self, study: Study, run: str, roster: tuple[str, ...], agents: Mapping[str, Handle], named: str = ""
    ) -> Begun:
        """The start of a run over real agents, and over invented sites where there is no agent.

        Args:
            named: how the study is called in the messages; by its hash, if not otherwise.

        Raises:
            WireError: an agent refuses to start.
        """
        message = StartMessage(named or study.hash(), run, roster)

        def said(
            kind: str, message: StartMessage, invented: Callable[[str], Hello | Opening]
        ) -> dict[str, bytes]:
            sealed = seal(message.encode(), self.key, "start")
            return {
                site: agents[site]("start", sealed)
                if site in agents
                else seal(invented(site).encode(), self.invented[site][0], kind)
                for site in roster
            }

        hellos = said("hello", message, lambda site: hello(self._beginning(site), message.study, run, site))
        read = read_hellos(hellos, self._key_of)
        yes = dict.fromkeys((analysis.name for analysis in study.analyses), True)
        openings = said(
            "opening",
            replace(message, hellos=hellos),
            lambda site: open_start(self._beginning(site), site, read, yes),
        )
        found = Begun(started(read, read_openings(openings, self._key_of)), openings)
        self.begun[message.study, run] = found
        return found

    def question(self, question: RoundQuestion, *, masked: bool = True) -> bytes:
        """The sealed question to the one agent, with the keys and openings of its run, if that starts."""
        run = question.study, question.run
        if self.agent is not None and run not in self.begun and question.study in self.studies:
            with suppress(WireError):
                study, agent = self.studies[question.study], dict([self.agent])
                self.start(study, question.run, question.roster, agent, named=question.study)
        if run not in self.begun:
            return self.plain_question(question)
        begun = self.begun[run]
        first = question.round == 0
        whole = replace(
            question,
            keys=begun.started.keys if masked else {},
            previous=begun.started.openings if first else question.previous,
        )
        return self.plain_question(whole, begun.openings if first else {})

    def reply(self, question: RoundQuestion) -> bytes:
        """The one agent's sealed reply: to the question, or to the start of its run where it refuses that."""
        assert self.agent is not None
        site, handle = self.agent
        refused: list[bytes] = []

        def heard(kind: str, sealed: bytes) -> bytes:
            refused.append(handle(kind, sealed))
            return refused[-1]

        self.agent = site, heard
        try:
            sealed = self.question(question)
        finally:
            self.agent = site, handle
        if refused and (question.study, question.run) not in self.begun:
            return refused[-1]
        return handle("round", sealed)

    def _beginning(self, site: str) -> Beginning:
        return self.invented[site][1]

    def _key_of(self, site: str) -> Ed25519PublicKey:
        return verifying_key(self.sites[site].signing_key)

    def plain_question(self, question: RoundQuestion, relayed: Mapping[str, bytes] | None = None) -> bytes:
        """The sealed question as it is, with what sites signed in the round before."""
        return seal(RoundMessage(question.encode(), relayed or {}).encode(), self.key, "question")


def site_keys(signing: Ed25519PrivateKey, masking: X25519PrivateKey) -> SiteKeys:
    """The public keys of a site."""
    public = masking.public_key()
    return SiteKeys(public_text(signing.public_key()), public_text(public), sign_masking_key(signing, public))


def make_site(home: Path, name: str, coordinator: Coordinator) -> Ed25519PrivateKey:
    """Lays out a site's folder as `site init` and `site join` do; returns its signing key."""
    (home / "keys").mkdir(parents=True)
    (home / "site.toml").write_text(f'schema_version = 1\nname = "{name}"\n')
    key = signing_key(home / "keys" / "signing.key")
    coordinator.members[name] = key
    coordinator.sites[name] = site_keys(key, masking_key(home / "keys" / "masking.key"))
    Invitation(
        consortium="Test",
        site=name,
        address="127.0.0.1:9092",
        root_certificate="-----BEGIN CERTIFICATE-----",
        coordinator_key=public_text(coordinator.key.public_key()),
    ).write(home / "consortium.json")
    return key


def a_round(study: Study, *asks: Ask, number: int = 0, run: str = "r1", roster: str = "abc") -> RoundQuestion:
    """A question of one round to the sites named by single letters."""
    return RoundQuestion(study.hash(), run, number, tuple(roster), asks)
