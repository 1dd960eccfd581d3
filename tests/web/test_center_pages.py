"""The center's pages in a browser: a study from its draft to its results, questions, cohorts, the network.

With SHADOWGRAPH_PICTURES=docs/pictures/web the pictures of the pages are written there.
"""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.dummy import SITES, dummy_tables
from protocols.runtime import audit_chain
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, Role
from protocols.runtime.action_socket import ActionServer, serve
from protocols.runtime.web.page import Needs
from server.actions import studies
from server.desk.table import ACTIONS
from server.home.config import SETTINGS
from server.home.submissions import State
from server.web import network_pages, study_pages
from server.web.app import make_app
from site_node.governance import approvals
from site_node.governance.policy import changed
from tests.lib.browser import NARROW, WIDE, Browser, chromium, opened
from tests.lib.consortium import Consortium
from tests.lib.federation import until
from tests.lib.people_with_accounts import PASSWORD, Clock, Person, person
from tests.lib.served import served
from tests.unit.client.test_builders import lgg

NAMES = SITES[:4]
PAGES = ["/studies", "/draft", "/approvals", "/catalogue", "/questions", "/cohorts", "/network"]


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
def at_work(consortium: Consortium) -> Iterator[None]:
    """A coordinator at work."""
    coordinator, over = consortium.coordinator(), threading.Event()
    consortium.store.take_lead("test")

    def work() -> None:
        while not over.is_set():
            consortium.store.beat("test")
            coordinator.step()
            over.wait(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def center(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Center]:
    consortium = Consortium(tmp_path_factory.mktemp("center"), NAMES)
    for name, agent in consortium.agents.items():
        agent.table_of = lambda study, name=name: dummies(name, study)
        changed(consortium.folder / name, "combinations", "allow")  # each question has other people missing
        changed(consortium.folder / name, "cells", "exact")  # as the example's study wishes
        for protocol in ("availability", "summary", "attrition"):
            limits = {"max_studies": 50, "max_variables": 50, "days": 30}
            approvals.approve_standing(consortium.folder / name, protocol, by="test", **limits)
    clock = Clock(time.time())
    accounts = AccountFile(consortium.home, CENTER_ROLES, clock)
    with tempfile.TemporaryDirectory() as short:
        socket = Path(short) / "actions.sock"
        server = ActionServer(socket, accounts, ACTIONS)
        thread = serve(server)
        people = {
            "nora": person(accounts, "nora", Role.ANALYST),
            "tove": person(accounts, "tove", Role.ANALYST),
            "carl": person(accounts, "carl", Role.COORDINATOR),
            "arne": person(accounts, "arne", Role.AUDITOR),
            "siri": person(accounts, "siri", Role.ADMIN),
        }
        app = make_app(socket, ("127.0.0.1",), "Nordic glioma")
        with served(app) as port, at_work(consortium):
            yield Center(consortium, f"http://127.0.0.1:{port}", accounts, clock, people)
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def sign_in(one: Browser, center: Center, name: str, to: str = "/studies") -> None:
    center.clock.on(30)
    one.open(f"/sign-in?to={to}")
    one.fill(name=name, password=PASSWORD, code=center.people[name].code())
    one.press("Sign in")


def good(one: Browser, picture: str = "") -> None:
    """Fails unless the page has no fault of access or policy; keeps its pictures, where they are wanted."""
    assert one.faults_of_access() == []
    assert one.wrongs == []
    folder = os.environ.get("SHADOWGRAPH_PICTURES")
    if folder and picture:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for width in (WIDE, NARROW):
            one.picture(Path(folder) / f"center-{picture}-{width}.png", width)


def answered(one: Browser, center: Center) -> None:
    """Waits for the answer to the question whose page is open."""
    one.page.wait_for_url("**/questions/*")
    center.ends(one.page.url.rpartition("/")[2])
    one.page.get_by_text("looks again by itself").wait_for(state="detached")


def session(center: Center, name: str) -> httpx.Client:
    """A program with somebody's session."""
    center.clock.on(30)
    word = center.people[name].signs_in(center.accounts).word
    headers = {"Sec-Fetch-Site": "same-origin", "Cookie": f"__Host-shadowgraph={word}"}
    return httpx.Client(base_url=center.address, headers=headers, timeout=60)


@pytest.mark.slow
def test_a_study_from_its_draft_to_its_results(center: Center, browser: Any) -> None:
    with opened(browser, center.address) as one:
        sign_in(one, center, "nora", "/draft")
        one.page.fill(
            "[name=text]", lgg().to_yaml().replace("digits: full\n", "").replace("cells: exact\n", "")
        )
        one.page.select_option("[name=variable]", "gene")
        one.press("Show its fields")
        one.fill(variable_name="tp53", f_gene="TP53")
        one.press("Add the variable")
        assert "tp53:" in one.page.input_value("[name=text]")
        one.page.select_option("[name=analysis]", "kaplan_meier")
        one.press("Show its fields summary")
        one.fill(analysis_name="curves", f_outcome="os", f_by="tp53")
        one.press("Add the analysis")
        one.press("Check it")
        assert "What would leave each site" in one.text()
        good(one, "new-study")
        one.press("Try it on dummy people")
        assert "found something" in one.text()
        one.press("Ask who has what")
        (asked,) = [one for one in center.consortium.store.entries() if one.title == "Who has what"]
        center.ends(asked.run)
        one.press("Ask who has what")
        assert "would take part" in one.text()
        assert "or more" in one.text()
        good(one, "preflight")
        one.press("Submit it to the sites")
        run = one.page.url.rpartition("/")[2]
        one.open("/approvals")
        good(one, "approvals")
        one.open(f"/studies/{run}")
        center.approved(run, *NAMES[:3])
        one.press("Begin with those who approved")
        one.page.get_by_role("link", name="Results", exact=True).wait_for()  # by server-sent events
        assert center.ends(run) is State.DONE
        one.page.reload()
        good(one, "study")
        one.page.get_by_role("link", name="Results", exact=True).click()
        assert "cox_os_strata" in one.text()
        good(one, "results")
        one.press("Compute it again from the kept rounds")
        assert "fit each other" in one.text()


@pytest.mark.slow
def test_a_run_under_way_shows_site_by_round(center: Center, browser: Any) -> None:
    study = lgg().study.model_copy(update={"name": "under-way"})
    run = center.consortium.propose(study).run
    center.approved(run, *NAMES[:3])
    held = {"silent": True}
    center.consortium.tamper = lambda site, kind, reply: (
        studies.Code.SITE_UNREACHABLE
        if kind == "round"
        and site == NAMES[1]
        and held["silent"]
        and len(center.consortium.store.answers(run)) > 5
        else reply
    )
    studies.begin(center.consortium.home, run)
    with opened(browser, center.address) as one:
        sign_in(one, center, "carl", f"/studies/{run}")
        one.page.get_by_text("south").first.wait_for()
        one.page.wait_for_timeout(1500)
        good(one, "run")
        held["silent"] = False
        one.page.get_by_role("button", name="Stop the study").click()
        one.page.get_by_text("was stopped").wait_for()
        assert center.ends(run) is State.WITHDRAWN
    center.consortium.tamper = lambda site, kind, reply: reply


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False])
def test_questions_cohorts_and_the_catalogue_work_with_and_without_scripts(
    center: Center, browser: Any, scripts: bool
) -> None:
    with opened(browser, center.address, scripts=scripts) as one:
        sign_in(one, center, "tove", "/questions")
        one.fill(
            cohort="condition:ICD10CM:C71%",
            variables=f"age, gene:{'EGFR' if scripts else 'PTEN'}",
            by="female",
        )
        one.press("Ask the sites")
        answered(one, center)
        assert "all sites" in one.text()
        assert "not told" in one.text()
        if scripts:
            good(one, "question")
        one.open("/cohorts")
        one.page.select_option("[name=rule]", "age")
        one.press("Show its fields")
        one.fill(rule_name="adults", f_at_least="18" if scripts else "21")
        one.press("Add the rule")
        assert "adults" in one.page.input_value("[name=text]")
        if scripts:
            good(one, "cohort")
        one.press("Ask how many people each rule leaves")
        answered(one, center)
        assert "index event" in one.text()
        if scripts:
            good(one, "attrition")
        one.open("/catalogue")
        one.fill(
            cohort="condition:ICD10CM:C71%",
            variables=f"age, gene:{'BRAF' if scripts else 'ATRX'}, scanner:CT",
        )
        one.press("Ask the sites")
        answered(one, center)
        assert "all sites" in one.text()
        one.open("/catalogue")
        assert "100 or more" in one.text()
        if scripts:
            good(one, "catalogue")


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_within_reach_of_everybody_and_speaks_german(
    center: Center, browser: Any, path: str
) -> None:
    with opened(browser, center.address, language="de-DE") as one:
        center.clock.on(30)
        one.open(f"/sign-in?to={path}")
        one.fill(name="carl", password=PASSWORD, code=center.people["carl"].code())
        one.press("Anmelden")
        assert one.page.get_attribute("html", "lang") == "de"
        good(one, {"/network": "network", "/studies": "studies", "/questions": "questions"}.get(path, ""))


def test_every_page_declares_its_role() -> None:
    for router in (study_pages.router, network_pages.router):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            (first, *_) = [one.call for one in route.dependant.dependencies]
            assert isinstance(first, Needs), route.path
            assert first.role is not None, route.path


def test_anothers_study_is_not_there_and_a_lower_role_changes_nothing(center: Center) -> None:
    study = lgg().study.model_copy(update={"name": "private"})
    run = center.consortium.propose(study).run
    with session(center, "tove") as tove, session(center, "arne") as arne:
        for path in ("", "/results", "/report.html", "/study.json", "/stream"):
            assert tove.get(f"/studies/{run}{path}").status_code == 404, path
        page = arne.get(f"/studies/{run}")
        assert page.status_code == 200
        assert "Stop the study" not in page.text
        secret = page.text.partition('name="form_secret" value="')[2].partition('"')[0]
        for path in (
            f"/studies/{run}/withdraw",
            f"/studies/{run}/begin",
            "/draft",
            "/questions",
            "/cohorts",
        ):
            assert arne.post(path, data={"form_secret": secret}).status_code == 403, path
    assert center.consortium.store.is_open(run)
    assert httpx.get(f"{center.address}/studies/{run}").headers["location"].startswith("/sign-in")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_the_pages_of_an_admin_and_of_a_coordinator_are_for_everybody(
    center: Center, browser: Any, language: str
) -> None:
    shown = {
        "siri": ("/accounts", "/backups", "/profile", "/studies", "/network"),
        "carl": ("/models", "/network", "/approvals", "/catalogue", "/questions", "/cohorts", "/draft"),
    }
    for who, paths in shown.items():
        with opened(browser, center.address, language=language) as one:
            center.clock.on(30)
            one.open("/sign-in")
            one.fill(name=who, password=PASSWORD, code=center.people[who].code())
            one.page.locator("main button").click()
            one.page.wait_for_load_state()
            for path in paths:
                one.open(path)
                one.is_for_everybody(path)
                if language == "en-GB" and path in ("/accounts", "/models"):
                    good(one, path.removeprefix("/"))
            assert one.wrongs == []


@pytest.mark.slow
def test_an_admin_backs_the_center_up_and_nobody_else(center: Center, tmp_path: Path) -> None:
    home = center.consortium.home
    with session(center, "carl") as carl:
        assert carl.get("/backups").status_code == 403
    with session(center, "siri") as siri:
        assert "No folder for backups is named yet" in siri.get("/backups").text
        with (home / SETTINGS).open("a") as settings:
            settings.write(f'backup_folder = "{tmp_path}"\n')
        page = siri.get("/backups").text
        secret = page.partition('name="form_secret" value="')[2].partition('"')[0]
        assert siri.post("/backups", data={"form_secret": secret}).status_code == 303
        (archive,) = tmp_path.iterdir()
        assert archive.name in siri.get("/backups").text
    (act,) = [one for one in audit_chain.shown(home, last=50).lines if one.event == "backed-up"]
    assert act.facts["account"] == "siri"


def test_words_of_a_study_are_never_a_script(center: Center) -> None:
    study = lgg().study.model_copy(update={"name": "stored", "title": "<script>alert(1)</script>"})
    run = center.consortium.propose(study).run
    with session(center, "carl") as carl:
        for path in ("/studies", f"/studies/{run}", "/approvals"):
            page = carl.get(path).text
            assert "<script>alert" not in page
            assert path == "/approvals" or "&lt;script&gt;alert" in page


def test_a_stream_goes_on_after_the_last_event(center: Center) -> None:
    study = lgg().study.model_copy(update={"name": "streamed"})
    run = center.consortium.propose(study).run
    studies.withdraw(center.consortium.home, run)
    with session(center, "carl") as carl:
        whole = carl.get(f"/studies/{run}/stream").text
        last = max(int(line.removeprefix("id: ")) for line in whole.splitlines() if line.startswith("id: "))
        rest = carl.get(f"/studies/{run}/stream", headers={"Last-Event-ID": str(last)}).text
    assert "event: over" in whole
    assert "id:" not in rest
    assert "event: over" in rest
