"""The coordinator as a Flower run: carries sealed messages to sites and back, and lets it work.

One long-lived run serves all studies of a consortium. It leaves by itself after a while, and is started
again (server/administration/processes.py), so that Flower's message store does not grow without end.
"""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import Grid

from protocols.core.axis import look_in
from protocols.core.errors import Code
from server.coordination.coordinator import Coordinator, LeadLostError
from server.coordination.post import Ticket
from server.home.config import load
from server.home.identity import coordinator_key
from server.home.round_memory import prune
from server.home.store import Store

RECORD = "shadowgraph"
POLL_SECONDS = 0.25
BEAT_SECONDS = 3.0
LOOK_SECONDS = 10.0

# Flower's ErrorCodes of a message, a node or an agent that is gone; it may come back.
_GONE = (3, 4, 5, 8)

log = logging.getLogger("shadowgraph.coordinator")


class GridPost:
    """Carries sealed messages over a Flower grid; a site is known by the name of its registered key."""

    def __init__(self, grid: Grid, round_seconds: float) -> None:
        self._grid = grid
        self._round_seconds = round_seconds
        self._awaited: set[Ticket] = set()

    def send(self, kind: str, messages: Mapping[str, bytes]) -> dict[str, Ticket]:
        """The ticket of each message that is on its way, by site; a site that is offline has none."""
        nodes = self.online()
        sites = [site for site in messages if site in nodes]
        ids = self._grid.push_messages([self._message(kind, messages[s], nodes[s]) for s in sites])
        tickets = {site: ticket for site, ticket in zip(sites, ids, strict=True) if ticket}
        self._awaited.update(tickets.values())
        return tickets

    def replies(self) -> dict[Ticket, bytes | Code]:
        """What has come since the last call, under its ticket."""
        if not self._awaited:
            return {}
        # Not grid.send_and_receive, which sleeps 3 seconds between looks.
        pulled = self._grid.pull_messages(list(self._awaited))
        found = {reply.metadata.reply_to_message_id: _opened(reply) for reply in pulled}
        self.forget(found)
        return found

    def forget(self, tickets: Iterable[Ticket]) -> None:
        """Expects no reply under these tickets any more."""
        self._awaited.difference_update(tickets)

    def online(self) -> dict[str, int]:
        """The Flower node of every site that is online, by the name with which its key was registered."""
        return {node.name: node.node_id for node in self._grid.get_nodes()}

    def _message(self, kind: str, sealed: bytes, node: int) -> Message:
        content = RecordDict({RECORD: ConfigRecord({"kind": kind, "body": sealed})})
        return Message(
            content, dst_node_id=node, message_type="query.shadowgraph", ttl=self._round_seconds + 30
        )


def _opened(reply: Message) -> bytes | Code:
    if reply.has_error():
        return Code.SITE_UNREACHABLE if reply.error.code in _GONE else Code.SITE_FAILED
    try:
        return bytes(reply.content[RECORD]["body"])
    except (KeyError, TypeError):
        return Code.MALFORMED_MESSAGE


def coordinate(grid: Grid, home: Path, flower_run: str) -> None:
    """Serves the submitted studies until the run has to be renewed, or another run has taken over."""
    settings, store = load(home), Store(home)
    look_in(home)
    post = GridPost(grid, settings.round_seconds)
    store.take_lead(flower_run)
    if settings.keep_rounds_days:
        prune(home, time.time() - settings.keep_rounds_days * 86400)
    leads = threading.Event()
    leads.set()
    threading.Thread(target=_beat, args=(store, flower_run, leads), daemon=True).start()
    coordinator = Coordinator(store, coordinator_key(home), settings, post, may_go_on=leads.is_set)
    renew_at = time.monotonic() + settings.renew_after_hours * 3600
    looked = 0.0
    try:
        while (
            leads.is_set()
            and coordinator.ended < settings.renew_after_studies
            and time.monotonic() < renew_at
        ):
            if time.monotonic() - looked > LOOK_SECONDS:
                store.seen(post.online())
                looked = time.monotonic()
            if not coordinator.turn():
                time.sleep(POLL_SECONDS)
    except LeadLostError:
        log.warning("another run has taken over")
    store.resign(flower_run)


def _beat(store: Store, flower_run: str, leads: threading.Event) -> None:
    while store.beat(flower_run):
        time.sleep(BEAT_SECONDS)
    leads.clear()
