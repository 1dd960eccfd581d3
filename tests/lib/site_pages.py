"""A site with a small CDM, studies in its inbox and people with accounts, and its pages on a port."""

import json
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cdm.database import upsert, writing
from cdm.schema import concept
from cdm.vocabulary.athena import ALWAYS
from protocols.core.study import Study
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import SITE_ROLES, Role
from protocols.runtime.action_socket import ActionServer, serve
from site_node.actions import loads
from site_node.desk.table import ACTIONS
from site_node.governance import approvals
from site_node.home.cdm import opened_cdm
from site_node.home.config import SETTINGS, load
from site_node.web.app import make_app
from tests.lib.browser import Browser, opened
from tests.lib.people_with_accounts import PASSWORD, Clock, Person, person
from tests.lib.served import served
from tests.lib.sites import Coordinator, make_site
from tests.lib.small_hospital import records
from tests.lib.studies import a_study

BRAIN = [
    {
        "concept_id": number,
        "concept_name": name,
        "domain_id": "Condition",
        "vocabulary_id": "SNOMED",
        "concept_class_id": "Disorder",
        "standard_concept": "S",
        "concept_code": code,
        **ALWAYS,
    }
    for number, name, code in (
        (443588, "Malignant neoplasm of brain", "428061005"),
        (4246451, "Glioblastoma multiforme of brain", "393563007"),
        (4111798, "Primary malignant neoplasm of frontal lobe", "93750003"),
    )
]
"""Three concepts as Athena has them, for a site without a vocabulary."""
HOSTILE = "<script>window.stolen=1</script><img src=x onerror=window.stolen=2>"


@dataclass
class SitePages:
    """A site and its pages.

    Attributes:
        people: by name: reader, steward, approver, other (a second approver), admin.
    """

    home: Path
    address: str
    accounts: AccountFile
    clock: Clock
    people: dict[str, Person]

    def propose(self, **changes: Any) -> Study:
        """A study in the inbox."""
        study = a_study(**changes)
        approvals.receive(self.home, study.canonical())
        return study

    def cookie(self, who: str) -> dict[str, str]:
        """The headers of a browser in which that person is signed in."""
        word = self.people[who].signs_in(self.accounts).word
        return {"Cookie": f"__Host-oslo={word}", "Sec-Fetch-Site": "same-origin"}

    @contextmanager
    def signed_in(self, browser: Any, who: str, **how: Any) -> Iterator[Browser]:
        """A browser in which that person is signed in."""
        with opened(browser, self.address, **how) as one:
            self.clock.on(30)
            one.open("/sign-in")
            one.fill(name=self.people[who].name, password=PASSWORD, code=self.people[who].code())
            one.page.locator("main button").click()
            one.page.wait_for_load_state()
            yield one


def _load(home: Path, people: int) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
        file.writelines(json.dumps(one.body) + "\n" for one in records(people))
        file.flush()
        deque(loads.add_fhir(home, file.name), maxlen=0)


@contextmanager
def site_with_pages(
    home: Path, people: int = 40, *, load_folders: tuple[Path, ...] = ()
) -> Iterator[SitePages]:
    """The site in this folder, until the block ends."""
    center = Coordinator()
    make_site(home, "oslo", center)
    with (home / SETTINGS).open("a") as settings:
        settings.write(f"load_folders = {json.dumps([str(one) for one in load_folders])}\n")
    with opened_cdm(load(home)) as engine, writing(engine) as connection:
        upsert(connection, concept, BRAIN)
    if people:
        _load(home, people)
    with pages_of(home, "oslo") as found:
        yield found


@contextmanager
def pages_of(home: Path, name: str) -> Iterator[SitePages]:
    """The pages of the site in this folder, which is there already, until the block ends."""
    clock = Clock(time.time())
    accounts = AccountFile(home, SITE_ROLES, clock)
    roles = {
        "reader": Role.READER,
        "steward": Role.STEWARD,
        "approver": Role.APPROVER,
        "other": Role.APPROVER,
        "admin": Role.ADMIN,
    }
    with tempfile.TemporaryDirectory() as short:  # a socket's path has 107 bytes at most
        server = ActionServer(Path(short) / "actions.sock", accounts, ACTIONS)
        thread = serve(server)
        known = {who: person(accounts, who, role) for who, role in roles.items()}
        with served(make_app(name, Path(short) / "actions.sock")) as port:
            yield SitePages(home, f"http://127.0.0.1:{port}", accounts, clock, known)
        server.shutdown()
        server.server_close()
        thread.join()
