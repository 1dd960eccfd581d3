"""The center's JSON API, `/api/v1`: each address asks one action, by a token or the session of a browser.

Errors are `{"code", "text", "fix"}`. A study is POSTed with an `Idempotency-Key`, so that a request that is
sent twice is done once. Events of a run come as server-sent events; `Last-Event-ID` goes on after one.
"""

import itertools
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from protocols.core.errors import Code, ShadowgraphError
from protocols.runtime.accounts.roles import NotAllowedError, Way
from protocols.runtime.action_socket import Actions
from protocols.runtime.web.refusals import said

COOKIE = "__Host-shadowgraph"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Asking:
    """One request's way to the actions: what was shown goes along, and nothing is decided here."""

    def __init__(self, request: Request) -> None:
        self._actions: Actions = request.app.state.actions
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            self._way, self._word = Way.TOKEN, token.strip()
            return
        self._way, self._word = Way.SESSION, request.cookies.get(COOKIE, "")
        if request.method in UNSAFE:
            raise NotAllowedError(Code.NOT_ALLOWED, "a program changes things by a token", "make one")

    def call(self, action: str, /, **arguments: Any) -> Any:
        """The action's value."""
        return self._actions.call(self._way, self._word, action, **arguments)

    def stream(self, action: str, /, **arguments: Any) -> Iterator[Any]:
        """The action's events."""
        return self._actions.stream(self._way, self._word, action, **arguments)


def _for_anybody(request: Request) -> Actions:
    actions: Actions = request.app.state.actions
    return actions


Ask = Annotated[Asking, Depends(Asking)]
Unknown = Annotated[Actions, Depends(_for_anybody)]
"""The actions for who has not signed in: those of them that need nobody."""
Reference = Annotated[str, Field(min_length=1, max_length=128)]
Once = Annotated[str, Header(alias="Idempotency-Key", max_length=128)]
router = APIRouter(prefix="/api/v1")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StudyText(_Body):
    """A study as YAML or JSON, and whom to ask."""

    text: str = Field(max_length=500_000)
    sites: list[str] = Field(default_factory=list, max_length=50)


class Query(_Body):
    """Counts and summaries of variables in a cohort, under the sites' standing approvals."""

    cohort: str = Field(max_length=500_000, examples=["condition:ICD10CM:C71%"])
    variables: list[str] = Field(min_length=1, max_length=50, examples=[["age", "female"]])
    by_variable: str = ""


class AskedCohort(_Body):
    """A cohort: DOMAIN:VOCABULARY:CODE, or the text of its definition."""

    cohort: str = Field(max_length=500_000, examples=["condition:ICD10CM:C71%"])


class Opening(_Body):
    """What opens the account of an invitation: a password, and a code of the new authenticator."""

    password: str = Field(max_length=256)
    code: str = Field(max_length=32)


class TokenWish(_Body):
    """What makes a token for a program: what signs one in, and what the token may be used for."""

    account: str = Field(max_length=64)
    password: str = Field(max_length=256)
    code: str = Field(max_length=32)
    title: str = Field(min_length=1, max_length=100, examples=["notebook"])
    scopes: list[str] = Field(default=["read", "submit"], min_length=1, max_length=10)
    days: float = Field(default=90, gt=0, le=365)


@router.get("/invitations/{word}")
def invitation(actions: Unknown, word: Reference) -> Any:
    """Whose invitation it is, and the secret for the authenticator."""
    return actions.call(Way.SESSION, "", "accounts.opening", word=word)


@router.post("/invitations/{word}", status_code=HTTPStatus.CREATED)
def open_account(actions: Unknown, word: Reference, body: Opening) -> Any:
    """The account, opened; its recovery codes are shown this once."""
    given = {"word": word, "password": body.password, "code": body.code}
    return actions.call(Way.SESSION, "", "accounts.open_account", **given)


@router.post("/tokens", status_code=HTTPStatus.CREATED)
def new_token(actions: Unknown, request: Request, body: TokenWish) -> Any:
    """A token, shown this once. The session in which it is made ends at once."""
    address = request.client.host if request.client else ""
    shown = {"name": body.account, "password": body.password, "code": body.code, "address": address}
    word = actions.call(Way.SESSION, "", "accounts.sign_in", **shown)["word"]
    wish = {"title": body.title, "scopes": body.scopes, "days": body.days}
    try:
        return actions.call(Way.SESSION, word, "accounts.new_token", **wish)
    finally:
        actions.call(Way.SESSION, word, "accounts.sign_out")


@router.get("/me")
def me(ask: Ask) -> Any:
    """Whose token or session this is, and what it may."""
    return ask.call("accounts.me")


@router.get("/sites")
def sites(ask: Ask) -> Any:
    """The sites: enrolled, online, the fingerprint of each one's key."""
    return ask.call("sites.listed")


@router.post("/studies/check")
def check(ask: Ask, body: StudyText) -> Any:
    """What a study asks and what would leave each site; nothing is sent."""
    return ask.call("studies.check", text=body.text)


@router.post("/studies/preflight", status_code=HTTPStatus.CREATED)
def preflight(ask: Ask, body: StudyText) -> Any:
    """The preflight of a study, asked under the sites' standing approvals; the study itself is not sent."""
    return ask.call("studies.preflight", text=body.text)


@router.post("/studies/preflight/answer")
def preflight_answer(ask: Ask, body: StudyText) -> Any:
    """Which sites would refuse a study, why, and in bands how many people have its variables."""
    return ask.call("studies.preflight_answer", text=body.text)


@router.get("/studies")
def studies(ask: Ask) -> Any:
    """The submitted studies, the newest first."""
    return ask.call("studies.listed")


@router.post("/studies", status_code=HTTPStatus.CREATED)
def submit(ask: Ask, body: StudyText, once: Once = "") -> Any:
    """A study, signed by the coordinator and submitted to the sites."""
    return ask.call("studies.submit", text=body.text, sites=body.sites, once=once)


@router.get("/studies/{reference}")
def study(ask: Ask, reference: Reference, results: bool = True) -> Any:
    """How a study stands; by run, name or hash."""
    return ask.call("studies.shown", reference=reference, with_results=results)


@router.get("/studies/{reference}/file")
def file_of(ask: Ask, reference: Reference) -> Any:
    """A study in its canonical form, as it was signed."""
    return ask.call("studies.file", reference=reference)


@router.post("/studies/{reference}/begin")
def begin(ask: Ask, reference: Reference) -> Any:
    """A study that waits for no further approval."""
    return ask.call("studies.begin", reference=reference)


@router.post("/studies/{reference}/withdraw")
def withdraw(ask: Ask, reference: Reference) -> Any:
    """A study, stopped: no further message of it goes out."""
    return ask.call("studies.withdraw", reference=reference)


@router.get("/studies/{reference}/report")
def report(ask: Ask, reference: Reference) -> Any:
    """The report: one HTML page that needs nothing beside it, as text."""
    return ask.call("studies.report", reference=reference)


@router.get("/studies/{reference}/verify")
def verify(ask: Ask, reference: Reference) -> Any:
    """Whether the kept rounds give the result again."""
    return ask.call("studies.verify", reference=reference)


@router.get("/studies/{reference}/events", response_class=StreamingResponse)
def events(
    ask: Ask, reference: Reference, last: Annotated[int, Header(alias="Last-Event-ID", ge=0)] = 0
) -> StreamingResponse:
    """What happens in a run, until it ends."""
    stream = ask.stream("studies.watch", reference=reference, after=last)
    first = list(itertools.islice(stream, 1))  # asked for now: a refusal is no stream
    return StreamingResponse(_server_sent(itertools.chain(first, stream)), media_type="text/event-stream")


@router.post("/queries", status_code=HTTPStatus.CREATED)
def query(ask: Ask, body: Query) -> Any:
    """A query, submitted; the same question is asked once."""
    return ask.call("queries.ask", cohort=body.cohort, variables=body.variables, by_variable=body.by_variable)


@router.post("/attritions", status_code=HTTPStatus.CREATED)
def attrition(ask: Ask, body: AskedCohort) -> Any:
    """How many people each rule of a cohort leaves; the same question is asked once."""
    return ask.call("queries.attrition", cohort=body.cohort)


@router.get("/queries/{reference}")
def answer(ask: Ask, reference: Reference) -> Any:
    """The answer to a query that has ended."""
    return ask.call("queries.answer", reference=reference)


def _server_sent(events: Iterator[Any]) -> Iterator[str]:
    try:
        for event in events:
            yield f"id: {event['number']}\nevent: {event['what']}\ndata: {json.dumps(event)}\n\n"
        yield "event: end\ndata: {}\n\n"
    except ShadowgraphError as error:
        yield f"event: error\ndata: {json.dumps(said(error))}\n\n"
