"""All pages of a site: who may see what, hostile words, double clicks, languages, access for everybody."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from protocols.core.errors import Code
from protocols.core.study import Study
from protocols.runtime import audit_chain
from protocols.runtime.accounts.roles import Actor, NotAllowedError, Role, Way
from protocols.runtime.web.page import Needs
from site_node.desk import jobs
from site_node.governance import approvals, audit
from site_node.governance.approvals import State
from site_node.governance.policy import changed
from site_node.home.config import SETTINGS
from site_node.web.app import make_app
from tests.lib.browser import chromium
from tests.lib.site_pages import HOSTILE, SitePages, site_with_pages

pytestmark = pytest.mark.slow  # tests/web/test_site_inbox.py is the smoke test of these pages

PAGES = (
    "/",
    "/studies",
    "/standing",
    "/held",
    "/left",
    "/data",
    "/data/quarantine",
    "/images",
    "/genomics",
    "/quality",
    "/mapping",
    "/mapping/one?system=local&code=malignant+brain",
    "/policy",
    "/peers",
    "/audit",
    "/profile",
)
PAGES_OF_ADMINS = ("/accounts", "/backups", "/profile")
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
BEFORE_SIGNING_IN = {
    "/sign-in",
    "/invitation/{word}",
    "/enter/{word}",
    "/oidc",
    "/oidc/return",
    "/language",
    "/static/{version}/{name}",
    "/healthz",
    "/readyz",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the hospital exported: one Patient, and one line that is broken."""
    folder = tmp_path_factory.mktemp("export")
    patient = {"resourceType": "Patient", "id": "new", "birthDate": "1950", "gender": "female"}
    (folder / "Patient.ndjson").write_text(json.dumps(patient) + '\n{"resourceType": "Pat\n')
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[SitePages]:
    with site_with_pages(tmp_path_factory.mktemp("pages") / "oslo", load_folders=(folder,)) as found:
        yield found


@pytest.fixture(scope="module")
def hostile(site: SitePages) -> Study:
    """A study whose words would take a page over."""
    requester = {"name": HOSTILE, "institution": HOSTILE, "ethics": HOSTILE}
    return site.propose(name="hostile", title=HOSTILE, purpose=HOSTILE, requester=requester)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def routes(site: SitePages) -> list[APIRoute]:
    app = make_app("oslo", site.home / "none.sock")
    included = [route for one in app.routes for route in one.original_router.routes]  # type: ignore[attr-defined]
    assert all(isinstance(one, APIRoute) for one in included)
    return included


def needed(route: APIRoute) -> Role | None:
    """The role that a route declares.

    Raises:
        AssertionError: it declares nothing.
    """
    found = [one.call for one in route.dependant.dependencies if isinstance(one.call, Needs)]
    assert found or route.path in BEFORE_SIGNING_IN, f"{route.path} declares no role"
    return found[0].role if found else None


def client(site: SitePages, who: str) -> httpx.Client:
    headers = site.cookie(who) if who else {"Sec-Fetch-Site": "same-origin"}
    return httpx.Client(base_url=site.address, headers=headers, timeout=60, trust_env=False)


def secret(page: str) -> str:
    return page.partition('name="form_secret" value="')[2].partition('"')[0]


def test_every_route_declares_a_role_and_is_refused_to_others(site: SitePages) -> None:
    who = {
        "": "",
        Role.READER: "reader",
        Role.STEWARD: "steward",
        Role.APPROVER: "approver",
        Role.ADMIN: "admin",
    }
    walked = 0
    clients = {role: client(site, name) for role, name in who.items()}
    for route in routes(site):
        role = needed(route)
        if role is None:
            assert route.path in BEFORE_SIGNING_IN
            continue
        path = re.sub(r"\{number\}", "1", re.sub(r"\{(study|answer|word)\}", "x", route.path))
        for method in route.methods:
            anybody = clients[""].request(method, path, data={} if method == "POST" else None)
            assert anybody.status_code in (303, 401), (path, anybody.status_code)
            for other, one in clients.items():
                if other and not may(other, role):
                    reply = one.request(method, path, data={} if method == "POST" else None)
                    assert reply.status_code == 403, (path, other, reply.status_code)
                    walked += 1
    assert walked > 40
    for one in clients.values():
        one.close()


def may(role: str, needs: Role) -> bool:
    """Whether an account with that role alone has the other, which it may include."""
    return needs in (role, Role.MEMBER) or needs is Role.READER


def test_what_is_not_there_is_not_found(site: SitePages) -> None:
    with client(site, "approver") as one:
        for path in ("/studies/none", "/held/1", "/jobs/999", "/jobs/999/events", "/nowhere"):
            assert one.get(path).status_code == 404, path


def test_a_form_needs_the_secret_of_its_session_and_its_own_fields_alone(site: SitePages) -> None:
    study = site.propose(name="forms")
    path = f"/studies/{study.hash()}"
    form = {"hash": study.hash(), "note": ""}
    with client(site, "approver") as one, client(site, "other") as other:
        theirs = secret(other.get(path).text)
        own = secret(one.get(path).text)
        assert one.post(f"{path}/refuse", data=form).status_code == 403
        assert one.post(f"{path}/refuse", data=form | {"form_secret": theirs}).status_code == 403
        more = form | {"form_secret": own, "by": "director"}
        assert one.post(f"{path}/refuse", data=more).status_code == 422
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert (
            one.post(f"{path}/refuse", data=form | {"form_secret": own}, headers=elsewhere).status_code == 403
        )
        assert approvals.verdicts(site.home, study.hash()) == (None, None)
        assert one.post(f"{path}/refuse", data=form | {"form_secret": own}).status_code == 303
    verdict, _ = approvals.verdicts(site.home, study.hash())
    assert verdict is not None
    assert (verdict.state, verdict.by) == (State.REFUSED, "approver")


def test_a_double_click_decides_once(site: SitePages) -> None:
    study = site.propose(name="double")
    with client(site, "approver") as one:
        form = {"form_secret": secret(one.get("/").text), "once": "w", "hash": study.hash(), "note": ""}
        for _ in range(2):
            assert one.post(f"/studies/{study.hash()}/refuse", data=form).status_code == 303
    lines = [line for line in audit.lines(site.home) if line["event"] == "study-refused"]
    assert [line["study"] for line in lines].count(study.hash()) == 1


def test_two_persons_approve_where_the_policy_says_so(site: SitePages) -> None:
    study = site.propose(name="two-persons")
    changed(site.home, "two_persons", "true", by="admin")
    form = {"hash": study.hash(), "days": "60", "runs": "5", "note": ""}
    states = []
    try:
        for who, terms in (("approver", {}), ("approver", {}), ("other", {"days": "90", "runs": "2"})):
            with client(site, who) as one:
                given = form | terms | {"form_secret": secret(one.get("/").text)}
                assert one.post(f"/studies/{study.hash()}/approve", data=given).status_code == 303
            states.append(approvals.approval(site.home, study).state)
    finally:
        changed(site.home, "two_persons", "false", by="admin")
    assert states == [State.PENDING, State.PENDING, State.APPROVED]
    verdict, first = approvals.verdicts(site.home, study.hash())
    assert verdict is not None
    assert (verdict.by, verdict.max_runs, (verdict.expires_at - verdict.decided_at).days) == ("other", 2, 60)
    assert first is None


def test_pages_load_from_named_folders_alone(site: SitePages) -> None:
    with client(site, "steward") as one:
        hidden = {"form_secret": secret(one.get("/data").text)}
        for place in ("/etc/passwd", f"{site.home}", f"{site.home}/../export/../oslo"):
            form = hidden | {"kind": "load-fhir", "place": place}
            assert one.post("/data/load", data=form).status_code == 422, place
        assert one.post("/data/load", data=hidden | {"kind": "map", "place": "x"}).status_code == 422


def test_a_job_that_was_killed_is_taken_up_again_and_a_load_is_done_once(
    site: SitePages, folder: Path
) -> None:
    with client(site, "steward") as one:
        form = {"form_secret": secret(one.get("/data").text), "once": "load", "kind": "load-fhir"}
        first = one.post("/data/load", data=form | {"place": str(folder)}).headers["location"]
        assert one.post("/data/load", data=form | {"place": str(folder)}).headers["location"] == first
    killed = taken(site)  # its worker is killed here
    again = taken(site)
    assert again.number == killed.number
    ended = jobs.do(site.home, again)
    assert ended.state is jobs.State.DONE, ended
    assert jobs.next_job(site.home) is None
    with client(site, "reader") as one:
        page = one.get(first).text
        assert "Patient" in page
        assert "Places that could not be loaded: 1" in one.get("/").text
        assert "Patient.ndjson" in one.get("/data/quarantine").text
        stream = one.get(f"{first}/events").text
        assert stream.rstrip().endswith('event: ended\ndata: "done"')


def test_a_code_is_mapped_to_a_concept_and_leaves_the_list(site: SitePages) -> None:
    with client(site, "steward") as one:
        page = one.get("/mapping").text
        assert "C71.1" in page
        form = {"form_secret": secret(page), "system": ICD10CM, "code": "C71.1"}
        assert one.post("/mapping", data=form | {"concept": "999999999"}).status_code == 303
        assert jobs.do(site.home, taken(site)).code == Code.INVALID_INPUT
        assert one.post("/mapping", data=form | {"concept": "443588"}).status_code == 303
        ended = jobs.do(site.home, taken(site))
        assert (ended.state, ended.by) == (jobs.State.DONE, "steward")
        assert "C71.1" not in one.get("/mapping").text


def taken(site: SitePages) -> jobs.Job:
    job = jobs.next_job(site.home)
    assert job is not None
    return job


def test_a_job_that_is_interrupted_again_and_again_has_failed(site: SitePages) -> None:
    steward = Actor("steward", frozenset({Role.STEWARD}), Way.SESSION)
    asked = jobs.ask(site.home, steward, "remap", {})
    for _ in range(jobs.MOST_TRIES):
        assert jobs.next_job(site.home) is not None
    assert jobs.next_job(site.home) is None
    assert jobs.shown(site.home, asked.number).state is jobs.State.FAILED


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_every_page_is_for_everybody(site: SitePages, hostile: Study, browser: Any, language: str) -> None:
    shown = {"approver": (*PAGES, f"/studies/{hostile.hash()}"), "admin": PAGES_OF_ADMINS}
    for who, paths in shown.items():
        with site.signed_in(browser, who, language=language) as one:
            for path in paths:
                one.open(path)
                assert one.heading() != "Not done"
                one.is_for_everybody(path)
            assert one.wrongs == []


def test_an_admin_backs_the_site_up_and_nobody_else(site: SitePages, tmp_path: Path) -> None:
    with client(site, "admin") as one:
        assert "No folder for backups is named yet" in one.get("/backups").text
        with (site.home / SETTINGS).open("a") as settings:
            settings.write(f"backup_folder = {json.dumps(str(tmp_path))}\n")
        page = one.get("/backups").text
        assert "No backup yet" in page
        assert one.post("/backups", data={"form_secret": secret(page)}).status_code == 303
        ended = jobs.do(site.home, taken(site))
        (archive,) = tmp_path.iterdir()
        assert (ended.state, ended.by) == (jobs.State.DONE, "admin")
        assert archive.name in one.get("/backups").text
        assert archive.stat().st_mode & 0o077 == 0
    acts = [one.facts for one in audit_chain.shown(site.home).lines if one.event == "backed-up"]
    assert [one["account"] for one in acts] == ["admin"]
    steward = Actor("steward", frozenset({Role.STEWARD}), Way.SESSION)
    with pytest.raises(NotAllowedError):
        jobs.ask(site.home, steward, "backup", {"by": "steward"})


@pytest.mark.parametrize("scripts", [True, False])
def test_words_of_a_study_stay_words(site: SitePages, hostile: Study, browser: Any, scripts: bool) -> None:
    with site.signed_in(browser, "reader", scripts=scripts) as one:
        for path in ("/", "/studies", f"/studies/{hostile.hash()}"):
            one.open(path)
            assert HOSTILE in one.text()
            assert one.page.locator("main img, main script").count() == 0
        if scripts:
            assert one.page.evaluate("window.stolen === undefined")
        assert one.wrongs == []


@pytest.mark.parametrize("scripts", [True, False])
def test_a_steward_checks_quality_and_searches_concepts(site: SitePages, browser: Any, scripts: bool) -> None:
    with site.signed_in(browser, "steward", scripts=scripts) as one:
        one.open("/quality")
        one.press("Check now")
        jobs.do(site.home, taken(site))
        if scripts:
            one.page.get_by_text("done").first.wait_for()
        one.open("/quality")
        assert "checks failed on" in one.text()
        one.open("/mapping/one?system=local&code=glioma")
        one.fill(words="glioblastoma")
        if not scripts:
            one.press("Search")
        one.page.get_by_role("cell", name="Glioblastoma multiforme of brain", exact=True).wait_for()
        assert one.wrongs == []


def test_a_policy_rule_is_changed_and_a_lower_floor_refused(site: SitePages, browser: Any) -> None:
    with site.signed_in(browser, "approver") as one:
        one.open("/policy")
        one.page.select_option("[name=rule]", "thresholds.min_count")
        one.fill(value="20")
        one.press("Change")
        assert "The rule was changed." in one.text()
        one.page.select_option("[name=rule]", "thresholds.min_count")
        one.fill(value="2")
        one.press("Change")
        assert one.heading() == "Not done"
    changed(site.home, "thresholds.min_count", "10", by="test")
