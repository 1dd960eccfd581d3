"""A center with sites in this process, a coordinator at work, people with accounts; its pages on a port."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.dummy import SITES, dummy_tables
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, Role
from protocols.runtime.action_socket import ActionServer, serve
from server.actions import studies
from server.desk.table import ACTIONS
from server.home.submissions import State
from server.web.app import make_app
from site_node.governance import approvals
from site_node.governance.policy import changed
from tests.lib.browser import Browser, opened
from tests.lib.consortium import Consortium
from tests.lib.federation import until
from tests.lib.people_with_accounts import PASSWORD, Clock, Person, person
from tests.lib.served import served

NAMES = SITES[:4]
ROLES = {
    "nora": Role.ANALYST,
    "tove": Role.ANALYST,
    "carl": Role.COORDINATOR,
    "dina": Role.COORDINATOR,
    "arne": Role.AUDITOR,
    "siri": Role.ADMIN,
}
SITES_SEEN_SECONDS = 5.0


def dummies(name: str, study: Study) -> AnalysisTable:
    """The table of a dummy hospital, of which the last is small."""
    tables = dummy_tables(study, sites=len(NAMES), people=90)
    found = next(table for table in tables if table.site == name)
    return found.select(found.persons < found.persons.min() + 24) if name == NAMES[-1] else found


@dataclass
class Center:
    """A center with its sites in this process, its pages on a port, and people with accounts."""

    consortium: Consortium
    address: str
    accounts: AccountFile
    clock: Clock
    people: dict[str, Person]

    def decides(self, run: str, decision: str, *sites: str) -> None:
        """What people at these sites decide about a run's study; at all where none is named."""
        sealed = self.consortium.store.submission(run).sealed
        study = studies.signing.read_signed(self.consortium.home, sealed)
        self.consortium.decide(study, decision, *sites)

    def ends(self, run: str) -> State:
        """How a run ended; a coordinator is at work beside."""
        until(lambda: not self.consortium.store.is_open(run), 60)
        return self.consortium.store.submission(run).state

    def approved(self, run: str, *sites: str) -> None:
        """Approves at these sites, and waits until the center knows it."""
        self.decides(run, "approved", *sites)
        store = self.consortium.store
        until(lambda: all(store.standing(run).get(site, ("",))[0] == "approved" for site in sites), 30)

    @contextmanager
    def signed_in(self, browser: Any, who: str, to: str = "/studies", **how: Any) -> Iterator[Browser]:
        """A browser in which that person is signed in, at this page."""
        with opened(browser, self.address, **how) as one:
            self.clock.on(30)
            one.open(f"/sign-in?to={to}")
            one.fill(name=who, password=PASSWORD, code=self.people[who].code())
            one.page.locator("main button").click()
            one.page.wait_for_load_state()
            yield one


@contextmanager
def at_work(consortium: Consortium) -> Iterator[None]:
    """A coordinator at work, which sees all sites online."""
    coordinator, over = consortium.coordinator(), threading.Event()
    consortium.store.take_lead("test")

    def work() -> None:
        seen_at = 0.0
        while not over.is_set():
            consortium.store.beat("test")
            if time.monotonic() - seen_at > SITES_SEEN_SECONDS:
                consortium.store.seen(consortium.names)
                seen_at = time.monotonic()
            coordinator.step()
            over.wait(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def center_with_pages(folder: Path, *, working: bool = True) -> Iterator[Center]:
    """The center in this folder, with a coordinator at work or without one, until the block ends."""
    consortium = Consortium(folder, NAMES)
    for name, agent in consortium.agents.items():
        agent.table_of = lambda study, name=name: dummies(name, study)
        changed(consortium.folder / name, "combinations", "allow")  # each question has other people missing
        changed(consortium.folder / name, "cells", "exact")  # as the example's study wishes
        for protocol in ("availability", "summary", "attrition"):
            limits = {"max_studies": 50, "max_variables": 50, "days": 30}
            approvals.approve_standing(consortium.folder / name, protocol, by="test", **limits)
    clock = Clock(time.time())
    accounts = AccountFile(consortium.home, CENTER_ROLES, clock)
    with tempfile.TemporaryDirectory() as short:  # a socket's path has 107 bytes at most
        socket = Path(short) / "actions.sock"
        server = ActionServer(socket, accounts, ACTIONS)
        thread = serve(server)
        people = {name: person(accounts, name, role) for name, role in ROLES.items()}
        app = make_app(socket, ("127.0.0.1",), "Nordic glioma")
        with served(app) as port, at_work(consortium) if working else nullcontext():
            yield Center(consortium, f"http://127.0.0.1:{port}", accounts, clock, people)
        server.shutdown()
        server.server_close()
        thread.join()
