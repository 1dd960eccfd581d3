"""Pages on studies: the list, one study with its run, its results, and a new one."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from protocols import CATALOGUE
from protocols.core.errors import Code, InputError, ShadowgraphError
from protocols.core.variables import KINDS
from protocols.runtime.accounts.roles import Role
from protocols.runtime.web.page import Member, Nothing, Page, needs
from protocols.runtime.web.page import part as part_of
from protocols.runtime.web.refusals import status_of
from server.web import result_view, wizard

Analyst = Annotated[Page, needs(Role.ANALYST)]
QUERY = "query-"
LONGEST_DRAFT = 500_000
ENDED = frozenset({"done", "done with failures", "failed", "withdrawn"})

Reference = Annotated[str, Query(max_length=128)]
"""A study by run, name or hash; "" where none is named."""

router = APIRouter(include_in_schema=False)


@router.get("/")
def first(page: Member) -> Response:
    """The studies."""
    return listed(page)


@router.get("/studies")
def listed(page: Member, part: int = 1) -> Response:
    """The account's studies, the newest first."""
    found = [one for one in page.call("studies.listed")["studies"] if not one["name"].startswith(QUERY)]
    return page.show("studies.html", studies=part_of(found, part), may_ask=page.me.may(Role.ANALYST))


@router.get("/draft")
def blank(page: Analyst, study: Reference = "") -> Response:
    """A draft to start from: the commented example, or a study that was submitted before."""
    return _draft(page, wizard.again(file(page, study)) if study else page.call("studies.example")["text"])


@router.post("/draft")
def draft(page: Analyst) -> Response:
    """The draft with a part more, or what was asked about it."""
    text, act = _sent(page, "text"), _sent(page, "act")
    try:
        if len(text) > LONGEST_DRAFT:
            raise InputError(Code.INVALID_STUDY, "the draft is too long")
        if act == "submit":
            new = page.call("studies.submit", text=text, once=_sent(page, "once"))
            return page.done(f"/studies/{new['run']}", "The study was signed and goes to the sites.")
        if act in ("add-variable", "add-analysis"):
            what = act.removeprefix("add-")
            more = what, _sent(page, what), _sent(page, f"{what}_name")
            return _draft(page, wizard.with_part(text, *more, page.fields))
        return _draft(page, text, **_asked(page, act, text))
    except ShadowgraphError as error:
        return _draft(page, text, error=error, status=status_of(error))


@router.get("/studies/{reference}")
def one(page: Member, reference: str) -> Response:
    """How a study stands: its sites, its rounds, what can be done about it."""
    view = page.call("studies.shown", reference=reference, with_results=False)
    run = page.call("runs.progress", reference=view["run"])
    return page.show("study.html", study=view, run=run, may_act=page.me.may(Role.ANALYST))


@router.get("/studies/{reference}/stream")
def stream(
    page: Member, reference: str, last: Annotated[str, Header(alias="Last-Event-ID")] = ""
) -> StreamingResponse:
    """The live part of a study's page, anew at each event, until the run ends."""
    after = int(last) if last.isdigit() else 0
    events = page.stream("studies.watch", reference=reference, after=after)
    first = list(itertools.islice(events, 1))  # asked for now: a refusal is no stream
    shown = _shown(page, reference, itertools.chain(first, events))
    return StreamingResponse(shown, media_type="text/event-stream")


@router.post("/studies/{reference}/begin")
def begin(page: Analyst, reference: str) -> Response:
    """The study waits for no further site."""
    page.form(Nothing)
    page.call("studies.begin", reference=reference)
    return page.done(f"/studies/{reference}", "The study begins with the sites that have approved.")


@router.post("/studies/{reference}/withdraw")
def withdraw(page: Analyst, reference: str) -> Response:
    """The study ends, and nothing more of it is sent."""
    page.form(Nothing)
    page.call("studies.withdraw", reference=reference)
    return page.done(f"/studies/{reference}", "The study was stopped: no further question is sent.")


@router.get("/studies/{reference}/results")
def results(page: Member, reference: str) -> Response:
    """What a study found, analysis by analysis."""
    return _results(page, reference, None)


@router.post("/studies/{reference}/results")
def verify(page: Member, reference: str) -> Response:
    """What a study found, computed again from the kept rounds."""
    page.form(Nothing)
    verified = page.call("studies.verify", reference=reference)
    return _results(page, reference, verified)


def _results(page: Page, reference: str, verified: dict[str, Any] | None) -> Response:
    view = page.call("studies.shown", reference=reference)
    found = result_view.all_shown(view["results"] or {}, file(page, reference))
    return page.show("results.html", study=view, found=found, verified=verified)


@router.get("/studies/{reference}/tables/{analysis}.csv")
def table(page: Member, reference: str, analysis: str) -> Response:
    """The table of an analysis as a file."""
    data = (page.call("studies.shown", reference=reference)["results"] or {}).get(analysis)
    if data is None or "failure" in data:
        raise InputError(Code.NOT_FOUND, "there is no such table")
    headers = {"Content-Disposition": f'attachment; filename="{analysis}.csv"'}
    return PlainTextResponse(result_view.as_csv(data), media_type="text/csv", headers=headers)


@router.get("/studies/{reference}/report.html")
def report(page: Member, reference: str) -> Response:
    """The report as a file: one page that needs nothing beside it."""
    html = page.call("studies.report", reference=reference)["html"]
    headers = {"Content-Disposition": 'attachment; filename="report.html"'}
    return Response(html, media_type="text/html", headers=headers)


@router.get("/studies/{reference}/study.json")
def file_of(page: Member, reference: str) -> Response:
    """The study as it was signed."""
    text = page.call("studies.file", reference=reference)["text"]
    headers = {"Content-Disposition": 'attachment; filename="study.json"'}
    return Response(text, media_type="application/json", headers=headers)


def file(page: Page, reference: str) -> dict[str, Any]:
    """A study as it was signed."""
    found: dict[str, Any] = json.loads(page.call("studies.file", reference=reference)["text"])
    return found


def _shown(page: Page, reference: str, events: Iterator[Any]) -> Iterator[str]:
    """Server-sent events whose data is the live part as it stands then."""
    with contextlib.suppress(ShadowgraphError):  # nobody coordinates any more: the browser asks again
        for event in events:
            run = page.call("runs.progress", reference=reference)
            if event["number"] >= run["last_event"]:  # of many at once the last one is drawn
                study = page.call("studies.shown", reference=reference, with_results=False)
                known = {"page": page, "me": page.me, "language": page.language, "once": ""}
                html = page.web.rendered("run_live.html", {**known, "run": run, "study": study})
                lines = "".join(f"data: {line}\n" for line in html.splitlines())
                yield f"id: {event['number']}\n{lines}\n"
        yield "event: over\ndata: \n\n"


def _sent(page: Page, name: str) -> str:
    value = page.fields.get(name, "")
    return value if isinstance(value, str) else ""


def _asked(page: Page, act: str, text: str) -> dict[str, Any]:
    """What a button of the draft's page asks for."""
    if act == "check":
        checked = page.call("studies.check", text=text)
        leaves: dict[str, list[str]] = {}
        for line in checked["would_leave"]:
            name, _, words = line.partition(": ")
            leaves.setdefault(name, []).append(words)
        return {"checked": checked, "leaves": leaves}
    if act == "try":
        return {"tried": page.call("studies.attempt", text=text)}
    if act == "preflight":
        page.call("studies.preflight", text=text)
        found = page.call("studies.preflight_answer", text=text)
        return {"preflight": found, "bands": bands_by_site(found["people"])}
    return {}


def _draft(page: Page, text: str, *, status: HTTPStatus = HTTPStatus.OK, **found: Any) -> Response:
    kind, name = _sent(page, "variable") or "age", _sent(page, "analysis") or "summary"
    asked: dict[str, Any] = {"checked": None, "tried": None, "preflight": None, "error": None, **found}
    return page.show(
        "new_study.html",
        status=status,
        text=text,
        kinds=sorted(KINDS),
        protocols=sorted(CATALOGUE),
        kind=kind,
        protocol=name,
        kind_fields=wizard.fields_of(wizard.model_of("variable", kind)),
        protocol_fields=wizard.fields_of(wizard.model_of("analysis", name)),
        prefix=wizard.PREFIX,
        **asked,
    )


def bands_by_site(people: list[dict[str, Any]]) -> dict[str, Any]:
    """Bands as a table: `sites`, and `rows` of a variable with its band at each of them."""
    sites = list(dict.fromkeys(one["site"] for one in people))
    told = {(one["variable"], one["site"]): one["at_least"] for one in people}
    names = dict.fromkeys(one["variable"] for one in people)
    return {"sites": sites, "rows": [(name, [told.get((name, site)) for site in sites]) for name in names]}


def in_words(kind: dict[str, Any]) -> str:
    """A variable's definition in one line."""
    said = {key: _word(value) for key, value in kind.items()}
    word = said.pop("kind", "")
    return ", ".join([word, *(f"{key}: {words}" for key, words in said.items() if words)])


def _word(value: Any) -> str:
    """A field's value in words; "" for what was not given."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list):
        return " and ".join(map(_word, value)) if len(value) == 2 else ", ".join(map(_word, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {words}" for key, one in value.items() if (words := _word(one)))
    return json.dumps(value)
