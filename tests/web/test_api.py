"""The center's API: an analyst's token, real studies over sites in this process, and what it refuses."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from protocols.core.errors import Code
from protocols.runtime.accounts import people, sessions
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, Role
from protocols.runtime.web.application import LARGEST_BODY
from server.desk.table import ACTIONS
from server.web import api
from site_node.governance import approvals
from tests.lib.api_center import Center, center_with_api, text
from tests.lib.federation import logistic_study
from tests.lib.people_with_accounts import PASSWORD, code_of


@pytest.fixture(scope="module")
def center(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Center]:
    with center_with_api(tmp_path_factory.mktemp("center")) as found:
        yield found


def submitted(client: httpx.Client, name: str, **headers: str) -> Any:
    reply = client.post("/api/v1/studies", json={"text": text(name)}, headers=headers)
    assert reply.status_code == 201, reply.text
    return reply.json()


def test_an_analyst_runs_a_study_by_a_token(center: Center) -> None:
    study = logistic_study("by-token")
    checked = center.nora.post("/api/v1/studies/check", json={"text": text(study.name)}).json()
    assert checked["hash"] == study.hash()
    new = submitted(center.nora, study.name)
    center.runs(new)
    shown = center.nora.get(f"/api/v1/studies/{new['run']}").json()
    assert (shown["state"], len(shown["sites"])) == ("done", 3)
    assert shown["results"]["idh1"]["result"]["n"] == 360
    assert center.nora.get(f"/api/v1/studies/{new['run']}/verify").json()["analyses"] == 1
    report = center.nora.get(f"/api/v1/studies/{new['run']}/report").json()["html"]
    assert "<!doctype html>" in report.lower()
    assert study.title in report


def test_events_come_as_they_are_numbered_and_go_on_after_the_last(center: Center) -> None:
    new = submitted(center.nora, "events")
    center.runs(new)
    whole = center.nora.get(f"/api/v1/studies/{new['run']}/events").text
    ids = [int(line.removeprefix("id: ")) for line in whole.splitlines() if line.startswith("id: ")]
    assert ids == sorted(ids)
    assert whole.rstrip().endswith("event: end\ndata: {}")
    rest = center.nora.get(f"/api/v1/studies/{new['run']}/events", headers={"Last-Event-ID": str(ids[-2])})
    assert rest.text.count("id: ") == 1


def test_a_request_that_is_sent_twice_is_done_once(center: Center) -> None:
    first = submitted(center.nora, "twice", **{"Idempotency-Key": "one"})
    assert submitted(center.nora, "twice", **{"Idempotency-Key": "one"}) == first
    body, other = {"text": text("twice")}, {"Idempotency-Key": "two"}
    again = center.nora.post("/api/v1/studies", json=body, headers=other)
    assert (again.status_code, again.json()["code"]) == (409, Code.ALREADY_EXISTS)


def test_a_query_is_answered_under_standing_approvals(center: Center) -> None:
    for name in center.consortium.names:
        approvals.approve_standing(
            center.consortium.folder / name, "summary", by="test", max_studies=5, max_variables=5, days=30
        )
    body = {"cohort": "condition:ICD10CM:C71%", "variables": ["age"]}
    asked = center.nora.post("/api/v1/queries", json=body).json()
    center.consortium.ends(asked["run"])
    rows = center.nora.get(f"/api/v1/queries/{asked['run']}").json()["rows"]
    assert {row["site"] for row in rows} == {"all sites", "a", "b", "c"}


def test_another_analysts_study_is_not_there(center: Center) -> None:
    new = submitted(center.nora, "noras")
    for client, sees in ((center.nora, True), (center.tove, False), (center.auditor, True)):
        runs = {one["run"] for one in client.get("/api/v1/studies").json()["studies"]}
        assert (new["run"] in runs) is sees
    for path in ("", "/report", "/verify"):
        mine, nothing = (
            center.tove.get(f"/api/v1/studies/{reference}{path}") for reference in (new["run"], "nothing")
        )
        assert (mine.status_code, mine.json()) == (404, nothing.json())
    for reference in (new["run"], new["name"], logistic_study("noras").hash()[:12]):
        assert center.tove.post(f"/api/v1/studies/{reference}/withdraw").status_code == 404
    assert center.tove.get(f"/api/v1/studies/{new['run']}/events").status_code == 404
    assert center.nora.post(f"/api/v1/studies/{new['run']}/withdraw").json()["state"] == "withdrawn"


def test_a_token_that_reads_changes_nothing_and_nobody_without_one_gets_anything(center: Center) -> None:
    new, title = submitted(center.nora, "reading"), logistic_study().title
    assert center.reader.get(f"/api/v1/studies/{new['run']}").status_code == 200
    assert center.reader.post("/api/v1/studies", json={"text": text()}).status_code == 403
    assert center.reader.post(f"/api/v1/studies/{new['run']}/withdraw").status_code == 403
    assert center.auditor.post("/api/v1/studies", json={"text": text()}).status_code == 403
    for route in filter(_asks_who, _routes()):
        path = route.path.replace("{reference}", new["run"])
        for method in route.methods:
            body = {"text": text()} if "studies" in path else {"cohort": "x", "variables": ["age"]}
            reply = center.anybody.request(method, path, json=body)
            assert reply.status_code in (401, 403), (method, path)
            assert title not in reply.text


def test_a_person_opens_an_account_and_makes_a_token(center: Center) -> None:
    accounts = AccountFile(center.consortium.home, CENTER_ROLES)
    word = people.invite(accounts, "liv", [Role.ANALYST], by="root").word
    secret = center.anybody.get(f"/api/v1/invitations/{word}").json()["second_factor"]
    opening = {"password": PASSWORD, "code": code_of(secret, time.time())}
    opened = center.anybody.post(f"/api/v1/invitations/{word}", json=opening)
    assert opened.status_code == 201
    codes = opened.json()["recovery_codes"]
    assert center.anybody.get(f"/api/v1/invitations/{word}").status_code == 404
    wish = {"account": "liv", "password": PASSWORD, "code": codes[0], "title": "notebook"}
    token = center.anybody.post("/api/v1/tokens", json=wish).json()["word"]
    assert (
        center.anybody.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).json()["account"]
        == "liv"
    )
    assert sessions.sessions_of(accounts, "liv") == ()
    wrong = center.anybody.post("/api/v1/tokens", json={**wish, "code": codes[0]})
    assert (wrong.status_code, wrong.json()["code"]) == (401, Code.NOT_SIGNED_IN)


def test_every_address_asks_an_action_that_declares_who_may() -> None:
    assert len(_routes()) >= 15
    open_to_all = {route.path for route in _routes() if not _asks_who(route)}
    assert open_to_all == {"/api/v1/invitations/{word}", "/api/v1/tokens"}
    for name, action in ACTIONS.items():
        assert action.role is not None or name in {
            "accounts.sign_in",
            "accounts.opening",
            "accounts.open_account",
            "accounts.link_owner",  # both take the word of a link that signs in once
            "accounts.enter",
            "accounts.provider",  # these three are the sign-in at a provider
            "accounts.begin_oidc",
            "accounts.finish_oidc",
        }


@pytest.mark.parametrize(
    "body",
    [
        {"text": text(), "owner": "tove"},
        {"text": text(), "sites": "a"},
        {"text": "a: &x [1]\nb: *x\n"},
        {"text": "cohort: {circe: /etc/passwd}\n"},
        {"text": "x" * 500_001},
        {},
    ],
    ids=["more than asked for", "not a list", "aliases", "a file here", "too long", "nothing"],
)
def test_what_is_not_a_study_is_said_and_not_echoed(center: Center, body: dict[str, Any]) -> None:
    reply = center.nora.post("/api/v1/studies", json=body)
    assert reply.status_code == 422
    assert reply.json()["code"] in (Code.INVALID_INPUT, Code.INVALID_STUDY)
    assert len(reply.text) < 1000


def test_a_query_names_no_file_of_the_center(center: Center, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text('index: {domain: condition, concept: "ICD10CM:C71%"}\n')
    body = {"cohort": str(secret), "variables": ["age"]}
    assert center.nora.post("/api/v1/queries", json=body).json()["code"] == Code.INVALID_INPUT
    text = {"cohort": secret.read_text() + "rules: []\n", "variables": ["age"]}
    assert center.nora.post("/api/v1/queries", json=text).status_code == 201


def test_another_host_and_a_body_without_end_are_refused(center: Center) -> None:
    assert center.nora.get("/api/v1/me", headers={"Host": "evil.example.org"}).status_code == 400
    reply = center.nora.post("/api/v1/studies", content=b"x" * (LARGEST_BODY + 1))
    assert reply.status_code == 413


def test_every_answer_keeps_a_browser_careful(center: Center) -> None:
    for reply in (
        center.nora.get("/api/v1/me"),
        center.anybody.get("/api/v1/me"),
        center.nora.get("/nothing"),
    ):
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"


def _asks_who(route: APIRoute) -> bool:
    return any(one.call is api.Asking for one in route.dependant.dependencies)


def _routes() -> list[APIRoute]:
    return [route for route in api.router.routes if isinstance(route, APIRoute)]
