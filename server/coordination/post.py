"""How sealed messages travel between the center and its sites: who sends, who waits, who is asked again."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from protocols.core.errors import Code

Ticket = str
"""The name of one message to one site; its reply comes back under it."""

ANSWERS_AGAIN = frozenset({Code.SITE_UNREACHABLE, Code.DEADLINE})
"""The codes under which a site may answer the same message later."""

PAUSE_SECONDS = 2.0
LONGEST_HELD_PAUSE_SECONDS = 60.0


class Post(Protocol):
    """Carries sealed bytes to sites and back; no call waits for a site."""

    def send(self, kind: str, messages: Mapping[str, bytes]) -> Mapping[str, Ticket]:
        """The ticket of each message that is on its way, by site; a site that is offline has none."""

    def replies(self) -> Mapping[Ticket, bytes | Code]:
        """What has come since the last call: sealed replies, or codes of why there will be none."""

    def forget(self, tickets: Iterable[Ticket]) -> None:
        """Expects no reply under these tickets any more."""


@dataclass
class Delivery:
    """One sealed message to several sites: sent once to each, and again to those that stay silent.

    A ticket stays good until the delivery is over, so a late reply to the first message counts. While people
    at a site look at its answer, nobody's patience runs: a held answer pauses the deadline for all.

    Attributes:
        kind: what sites know the message by, `propose` or `round`.
        sealed: the message.
        sites: those that have to reply.
        attempt_seconds: how long one message may take before its site counts as silent.
        patience_seconds: how long silent sites are sent the message again; 0 sends it once.
        read: called with each site and its reply as it comes: sealed bytes, or why there will be none.
        is_held: whether a site's reply says that people there look at its answer first; it is asked again.
    """

    kind: str
    sealed: bytes
    sites: tuple[str, ...]
    attempt_seconds: float
    patience_seconds: float
    read: Callable[[str, bytes | Code], None]
    is_held: Callable[[str, bytes], bool] = lambda site, reply: False
    _began: float | None = None
    _site_of: dict[Ticket, str] = field(default_factory=dict)
    _latest: dict[str, Ticket] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _again: set[str] = field(default_factory=set)
    _replied: set[str] = field(default_factory=set)
    _held: set[str] = field(default_factory=set)
    _held_pause: dict[str, float] = field(default_factory=dict)
    _held_since: float = 0.0
    _paused_seconds: float = 0.0

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """Every ticket under which a reply may still come."""
        return tuple(self._site_of)

    @property
    def silent(self) -> tuple[str, ...]:
        """The sites whose last message had no reply in its time, by name."""
        return tuple(sorted(self._again - self._held))

    @property
    def held(self) -> tuple[str, ...]:
        """The sites at which people look at the answer, by name."""
        return tuple(sorted(self._held))

    def unsent(self, now: float) -> tuple[str, ...]:
        """The sites to send the message to now: at first all, then each that rests, after its pause."""
        if self._began is None:
            return self.sites
        if self._patience_is_over(now):
            return ()
        return tuple(site for site in sorted(self._again) if now >= self._due[site])

    def sent(self, sites: Iterable[str], tickets: Mapping[str, Ticket], now: float) -> None:
        """Notes to which of these sites the message is on its way."""
        self._began = now if self._began is None else self._began
        for site in sites:
            if site not in tickets:
                self._fall_silent(site, now)
                continue
            self._again.discard(site)
            self._site_of[tickets[site]], self._latest[site] = site, tickets[site]
            self._due[site] = now + self.attempt_seconds

    def receive(self, ticket: Ticket, reply: bytes | Code, now: float) -> None:
        """Takes in what came under a ticket; of several replies of one site the first counts."""
        site = self._site_of.pop(ticket)
        if site in self._replied:
            return
        if isinstance(reply, Code) and reply in ANSWERS_AGAIN:
            if self._latest[site] == ticket:
                self._fall_silent(site, now)
            return
        if isinstance(reply, bytes) and self.is_held(site, reply):
            self._hold(site, now)
            return
        self._replied.add(site)
        self._again.discard(site)
        self._set_held(self._held - {site}, now)
        self.read(site, reply)

    def expire(self, now: float) -> None:
        """Counts the sites as silent whose message has taken too long."""
        for site in self._under_way():
            if now >= self._due[site]:
                self._fall_silent(site, now)

    def is_over(self, now: float) -> bool:
        """Whether nothing more is awaited: all have replied, or the silent ones have had their time."""
        if self._began is None or self._under_way():
            return not self.sites
        return not self._again or self._patience_is_over(now)

    def _patience_is_over(self, now: float) -> bool:
        assert self._began is not None
        return not self._held and now >= self._began + self.patience_seconds + self._paused_seconds

    def _under_way(self) -> list[str]:
        return [site for site in self._latest if site not in self._replied | self._again]

    def _fall_silent(self, site: str, now: float) -> None:
        self._again.add(site)
        self._due[site] = now + PAUSE_SECONDS
        self._set_held(self._held - {site}, now)

    def _hold(self, site: str, now: float) -> None:
        """Lets a site rest whose people look at its answer; people take longer the longer they took."""
        pause = self._held_pause.get(site, PAUSE_SECONDS)
        self._again.add(site)
        self._due[site] = now + pause
        self._held_pause[site] = min(pause * 1.2, LONGEST_HELD_PAUSE_SECONDS)
        self._set_held(self._held | {site}, now)

    def _set_held(self, held: set[str], now: float) -> None:
        if held and not self._held:
            self._held_since = now
        if self._held and not held:
            self._paused_seconds += now - self._held_since
        self._held = held
