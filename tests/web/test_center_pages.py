"""The center's pages in a browser: a study from its draft to its results, questions, cohorts, the network."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from protocols.runtime import audit_chain
from protocols.runtime.web.page import Needs
from server.actions import studies
from server.home.config import SETTINGS
from server.home.submissions import State
from server.web import network_pages, study_pages
from site_node.administration.enrolment import join
from site_node.administration.setup import make_site
from tests.lib.browser import Browser, chromium, opened
from tests.lib.center_pages import NAMES, Center, center_with_pages
from tests.lib.people_with_accounts import PASSWORD
from tests.unit.client.test_builders import lgg

PAGES = ["/studies", "/draft", "/approvals", "/catalogue", "/questions", "/cohorts", "/network"]


@pytest.fixture(scope="module")
def center(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Center]:
    with center_with_pages(tmp_path_factory.mktemp("center")) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def sign_in(one: Browser, center: Center, name: str, to: str = "/studies") -> None:
    center.clock.on(30)
    one.open(f"/sign-in?to={to}")
    one.fill(name=name, password=PASSWORD, code=center.people[name].code())
    one.press("Sign in")


def good(one: Browser) -> None:
    """Fails unless the page has no fault of access or policy."""
    assert one.faults_of_access() == []
    assert one.wrongs == []


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
        good(one)
        one.press("Try it on dummy people")
        assert "found something" in one.text()
        one.press("Ask who has what")
        (asked,) = [one for one in center.consortium.store.entries() if one.title == "Who has what"]
        center.ends(asked.run)
        one.press("Ask who has what")
        assert "would take part" in one.text()
        assert "or more" in one.text()
        good(one)
        one.press("Submit it to the sites")
        run = one.page.url.rpartition("/")[2]
        one.open("/approvals")
        good(one)
        one.open(f"/studies/{run}")
        center.approved(run, *NAMES[:3])
        one.press("Begin with those who approved")
        one.page.get_by_role("link", name="Results", exact=True).wait_for()  # by server-sent events
        assert center.ends(run) is State.DONE
        one.page.reload()
        good(one)
        one.page.get_by_role("link", name="Results", exact=True).click()
        assert "cox_os_strata" in one.text()
        good(one)
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
        good(one)
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
            good(one)
        one.open("/cohorts")
        one.page.select_option("[name=rule]", "age")
        one.press("Show its fields")
        one.fill(rule_name="adults", f_at_least="18" if scripts else "21")
        one.press("Add the rule")
        assert "adults" in one.page.input_value("[name=text]")
        if scripts:
            good(one)
        one.press("Ask how many people each rule leaves")
        answered(one, center)
        assert "index event" in one.text()
        if scripts:
            good(one)
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
            good(one)


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
        good(one)


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
                    good(one)
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


@pytest.mark.slow
def test_a_coordinator_invites_enrols_suspends_and_removes_a_site(center: Center, tmp_path: Path) -> None:
    home = tmp_path / "harbour"
    make_site(home, "harbour", runtime_port=0)
    with session(center, "carl") as carl, session(center, "nora") as nora:
        page = carl.get("/network").text
        form = {"form_secret": page.partition('name="form_secret" value="')[2].partition('"')[0]}
        theirs = nora.get("/network").text
        hidden = {"form_secret": theirs.partition('name="form_secret" value="')[2].partition('"')[0]}
        assert "Invite a site" not in theirs
        for act in ("invite", "enrol", "suspend", "resume", "remove"):
            assert nora.post(f"/network/{act}", data=hidden | {"site": "harbour"}).status_code == 403, act
        invited = carl.post("/network/invite", data=form | {"site": "harbour"})
        assert invited.headers["content-disposition"] == 'attachment; filename="harbour.invitation.json"'
        invitation = tmp_path / "invitation.json"
        invitation.write_text(invited.text)
        answer = tmp_path / "enrolment.json"
        join(home, invitation).write(answer)
        assert carl.post("/network/enrol", data=form | {"text": "{}"}).status_code == 422
        assert carl.post("/network/enrol", data=form | {"text": answer.read_text()}).status_code == 303
        states = []
        for act in ("suspend", "resume", "remove"):
            assert carl.post(f"/network/{act}", data=form | {"site": "harbour"}).status_code == 303
            sites = {one.name: one for one in center.consortium.store.sites()}
            states.append("harbour" in sites and sites["harbour"].suspended_at is None)
        assert states == [False, True, False]
        assert "harbour" not in carl.get("/network").text
    acts = {
        one.event: one.facts["account"] for one in audit_chain.shown(center.consortium.home, last=50).lines
    }
    for event in ("site-invited", "site-enrolled", "site-suspended", "site-resumed", "site-removed"):
        assert acts[event] == "carl", event


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
