"""The site's part in how a run starts: it says hello, opens, and knows what all sites of the run made.

The messages are those of `protocols.exchange.start`. What this site said is repeated byte for byte, also
after a crash; it opens a run once, for one roster.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocols.core.errors import Code, SiteError
from protocols.exchange.envelope import WireError, seal
from protocols.exchange.keys import noise_secret
from protocols.exchange.secure_sum import Member
from protocols.exchange.start import (
    Beginning,
    KeyOf,
    RunSecret,
    Started,
    StartMessage,
    hello,
    open_start,
    read_hellos,
    read_openings,
    run_secret,
    started,
)
from protocols.exchange.wire import RoundQuestion
from site_node.governance import peers, starts

MOST_RUNS = 8
"""Runs whose keys stay in memory; another one's are read again."""


@dataclass(frozen=True)
class Running:
    """A run that has started.

    Attributes:
        started: what everybody knows of it.
        secret: what its sites share and the center lacks.
        member: this site's part in its secure sums.
    """

    started: Started
    secret: RunSecret = field(repr=False)
    member: Member


@dataclass
class RunStarts:
    """The starts of one site's runs."""

    home: Path
    site: str
    key: Ed25519PrivateKey
    _running: dict[tuple[str, str], Running] = field(default_factory=dict)

    def hello(self, study: str, run: str) -> bytes:
        """What this site says first in a run, sealed; the same at every repeat.

        Raises:
            SiteError: already-answered; the run has ended here.
        """
        starts.erase_expired(self.home)
        if (known := starts.kept(self.home, study, run)) is not None:
            return known.hello
        part = Beginning.fresh(self._nonce(study))
        sealed = seal(hello(part, study, run, self.site).encode(), self.key, "hello")
        starts.keep_hello(self.home, study, run, part, sealed)
        return sealed

    def opening(self, message: StartMessage, contributes: Mapping[str, bool]) -> bytes:
        """What this site says when it has seen all hellos, sealed; the same at every repeat.

        Raises:
            SiteError: it has not said hello, or opened for other hellos.
            WireError: a hello is not its site's.
        """
        known = starts.kept(self.home, message.study, message.run)
        if known is None:
            raise SiteError(Code.ALREADY_ANSWERED, "a run of which this site has not said hello")
        if known.opening:
            if known.hellos != message.hellos:
                raise SiteError(Code.ALREADY_ANSWERED, "the run was opened for other hellos")
            return known.opening
        if set(message.roster) != message.hellos.keys():
            raise SiteError(Code.TAMPERED, "the hellos are not those of the roster")
        hellos = read_hellos(message.hellos, self._key_of(message.roster))
        opened = open_start(known.part, self.site, hellos, contributes)
        starts.pin_nonces(self.home, hellos)
        sealed = seal(opened.encode(), self.key, "opening")
        starts.keep_opening(self.home, message.study, message.run, message.hellos, sealed)
        return sealed

    def running(self, question: RoundQuestion, relayed: Mapping[str, bytes]) -> Running:
        """The run of a question; in its first round every site's opening is relayed and checked.

        Raises:
            SiteError: it has not started here. WireError: an opening is not what its site signed or promised.
        """
        run = question.study, question.run
        if run in self._running and question.round > 0:
            return self._running[run]
        known = starts.kept(self.home, *run)
        if known is None or not known.opening:
            raise SiteError(Code.ALREADY_ANSWERED, "a run that has not started here")
        sealed = known.openings or relayed
        if question.round == 0 and relayed.keys() != set(question.roster):
            raise SiteError(Code.TAMPERED, "the openings are not those of the roster")
        found = self._found(known.part, known.hellos, sealed)
        if question.round == 0 and found.started.openings != question.previous:
            raise SiteError(Code.TAMPERED, "an opening is not the one that others saw")
        if not known.openings:
            starts.keep_openings(self.home, *run, relayed)
        self._running[run] = found
        while len(self._running) > MOST_RUNS:
            self._running.pop(next(iter(self._running)))
        return found

    def end(self, study: str, run: str) -> None:
        """Erases what the run's masks hang on."""
        self._running.pop((study, run), None)
        starts.erase(self.home, study, run)

    def _found(
        self, part: Beginning, sealed_hellos: Mapping[str, bytes], sealed: Mapping[str, bytes]
    ) -> Running:
        key_of = self._key_of(sealed_hellos)
        hellos, openings = read_hellos(sealed_hellos, key_of), read_openings(sealed, key_of)
        begun = started(hellos, openings)
        return Running(
            begun,
            run_secret(part, self.site, hellos, openings),
            Member(self.site, part.key, begun.keys, begun.keys),
        )

    def _nonce(self, study: str) -> bytes:
        """This site's nonce for a study: nobody foresees it, and a study that comes again has the same."""
        secret = noise_secret(self.home / "keys" / "noise.key")
        return hashlib.blake2b(study.encode(), key=secret, digest_size=32, person=b"nonce").digest()

    def _key_of(self, roster: Collection[str]) -> KeyOf:
        keys = peers.signing_keys(self.home, roster) | {self.site: self.key.public_key()}

        def key_of(site: str) -> Ed25519PublicKey:
            if site not in keys:
                raise WireError(Code.TAMPERED, f"site {site} is not known here")
            return keys[site]

        return key_of
