"""How the center starts a run: it relays hellos and openings, and can neither choose nor read what they make.

Until all sites have opened nothing has left them, so a site that stays silent to the hello is left out; later
the run waits for it, or ends.
"""

from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocols.core.errors import Code, StudyError
from protocols.core.study import Study
from protocols.exchange.envelope import WireError, seal
from protocols.exchange.start import (
    KeyOf,
    Started,
    StartMessage,
    read_hellos,
    read_openings,
    started,
)
from server.coordination.post import Delivery
from server.coordination.replies import Replies
from server.home.config import HubConfig
from server.home.store import Phase, Store

SILENT = "`shadowgraph network sites` says who is online; when the site is, submit the study again"
"""The way out where a site did not answer for too long."""


@dataclass(frozen=True)
class RunStart:
    """The start of one run; what was exchanged is kept, and not asked again.

    Attributes:
        key_of: the public signing key of an enrolled site.
    """

    store: Store
    key: Ed25519PrivateKey
    settings: HubConfig
    run: str
    study: Study
    key_of: KeyOf

    def hellos(self, sites: tuple[str, ...]) -> Generator[Delivery, None, dict[str, str]]:
        """The sites that take part, each with its masking key of this run.

        Raises:
            StudyError: a site refuses, or too few answer.
        """
        known = self.store.begun(self.run, "hello")  # most came with the approval
        if asked := tuple(site for site in sites if site not in known):
            said = yield from self._said("hello", sites, asked, {})
            self.store.keep_begun(self.run, "hello", said)
            known |= said
        if lost := [site for site in sites if site not in known]:
            self._go_on_without(lost, len(sites) - len(lost))
        hellos = read_hellos({site: known[site] for site in sites if site in known}, self.key_of)
        return {site: hello.key for site, hello in sorted(hellos.items())}

    def openings(self, roster: Collection[str]) -> Generator[Delivery, None, Started]:
        """What the run starts with over these sites.

        Raises:
            StudyError: a site refuses or stays silent, or what it opens is not what it promised.
        """
        hellos = _of(roster, self.store.begun(self.run, "hello"))
        sealed = self.store.begun(self.run, "opening")
        if not sealed:
            everybody = tuple(sorted(hellos))
            sealed = yield from self._said("opening", everybody, everybody, hellos)
            if lost := sorted(hellos.keys() - sealed.keys()):
                names = ", ".join(lost)
                raise StudyError(Code.SITE_UNREACHABLE, f"the run's start: no answer from {names}", SILENT)
            self._read(hellos, sealed)
            self.store.keep_begun(self.run, "opening", sealed)
        return self._read(hellos, sealed)

    def _read(self, hellos: Mapping[str, bytes], openings: Mapping[str, bytes]) -> Started:
        try:
            return started(read_hellos(hellos, self.key_of), read_openings(openings, self.key_of))
        except WireError as error:
            raise StudyError(error.code, error.text, error.fix) from None

    def _go_on_without(self, lost: list[str], rest: int) -> None:
        names = ", ".join(lost)
        if rest < self.study.min_sites:
            raise StudyError(Code.SITE_UNREACHABLE, f"the run's start: no answer from {names}", SILENT)
        self.store.note(self.run, "left out", names)

    def _said(
        self, phase: Phase, roster: tuple[str, ...], asked: tuple[str, ...], hellos: Mapping[str, bytes]
    ) -> Generator[Delivery, None, dict[str, bytes]]:
        """What each site that answered signed."""
        said: dict[str, bytes] = {}
        replies = Replies(self.key_of)

        def read(site: str, reply: bytes | Code) -> None:
            said[site] = replies.begun(site, reply, phase)

        message = StartMessage(self.study.hash(), self.run, tuple(sorted(roster)), hellos)
        sealed = seal(message.encode(), self.key, "start")
        yield Delivery(
            "start", sealed, asked, self.settings.round_seconds, self.settings.patience_seconds, read
        )
        return said


def kept_start(store: Store, run: str, roster: Collection[str]) -> Started:
    """What a run started with, from what its sites signed. Raises WireError where that does not fit."""
    key_of = store.key_of
    hellos, openings = _of(roster, store.begun(run, "hello")), store.begun(run, "opening")
    return started(read_hellos(hellos, key_of), read_openings(openings, key_of))


def _of(roster: Collection[str], hellos: Mapping[str, bytes]) -> dict[str, bytes]:
    """Those of the sites that take part: others may have said hello and then not been needed."""
    return {site: hellos[site] for site in sorted(roster) if site in hellos}
