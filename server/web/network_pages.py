"""Pages on the network: its sites, the board of approvals, what sites have, cohorts and quick questions."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field, ValidationError

from protocols.core.errors import Code, InputError, ShadowgraphError
from protocols.runtime.accounts.roles import Role
from protocols.runtime.web.page import Admin, Form, Member, Nothing, Page, needs, part
from protocols.runtime.web.refusals import status_of
from server.web import wizard
from server.web.study_pages import ENDED, QUERY, Analyst, Reference, bands_by_site, file, in_words

Coordinator = Annotated[Page, needs(Role.COORDINATOR)]
START = "index:\n  domain: condition\n  concept: ICD10CM:C71%\n  pick: first\n"

SETTINGS, RESTORING = "hub.toml", "shadowgraph network restore FILE --home DIR"

router = APIRouter(include_in_schema=False)


class Question(Form):
    """A quick question: who, what of them, and in which two groups."""

    cohort: str = Field(max_length=200_000)
    variables: str = Field(max_length=2000)
    by: str = Field(default="", max_length=100)


@router.get("/network")
def network(page: Member) -> Response:
    """The sites."""
    sites = page.call("sites.listed")["sites"]
    center = page.call("center.status") if page.me.may(Role.COORDINATOR) else None
    return page.show("network.html", sites=sites, center=center)


class Named(Form):
    """A site."""

    site: str = Field(min_length=1, max_length=40)


class Enrolment(Form):
    """What a site answered to its invitation, as its file's text."""

    text: str = Field(min_length=1, max_length=100_000)
    new_keys: bool = False


@router.post("/network/invite")
def invite(page: Coordinator) -> Response:
    """The file with which a site joins."""
    made = page.call("sites.invite", site=page.form(Named).site)
    headers = {"Content-Disposition": f'attachment; filename="{made["name"]}"'}
    return Response(made["text"], media_type="application/json", headers=headers)


@router.post("/network/enrol")
def enrol(page: Coordinator) -> Response:
    """A site that joins, or comes with new keys."""
    form = page.form(Enrolment)
    page.call("sites.enrol", text=form.text, new_keys=form.new_keys)
    return page.done("/network", "The site is enrolled. Compare its fingerprint by telephone.")


@router.post("/network/suspend")
def suspend(page: Coordinator) -> Response:
    """A site that is asked nothing from now on."""
    page.call("sites.suspend", site=page.form(Named).site)
    return page.done("/network", "The site is suspended: it is asked nothing.")


@router.post("/network/resume")
def resume(page: Coordinator) -> Response:
    """A site that is asked again."""
    page.call("sites.resume", site=page.form(Named).site)
    return page.done("/network", "The site is asked again.")


@router.post("/network/remove")
def remove(page: Coordinator) -> Response:
    """A site whose keys are not known here any longer."""
    page.call("sites.remove", site=page.form(Named).site)
    return page.done(
        "/network", "The site was removed. People at two other sites have to remove its key too."
    )


@router.get("/backups")
def backups(page: Admin) -> Response:
    """The backups in the folder of the settings."""
    found = page.call("backups.listed")
    return page.show("backups.html", found=found, settings=SETTINGS, restoring=RESTORING)


@router.post("/backups")
def back_up(page: Admin) -> Response:
    """One more."""
    page.form(Nothing)
    page.call("backups.make")
    return page.done("/backups", "The backup was written.")


@router.get("/approvals")
def board(page: Member) -> Response:
    """How each site stands to each study that has not ended."""
    board = page.call("approvals.board")
    return page.show("approvals.html", sites=board["sites"], found=part(board["rows"], page.part))


@router.get("/catalogue")
def catalogue(page: Member) -> Response:
    """What sites have, in bands."""
    return _catalogue(page)


@router.post("/catalogue")
def ask_catalogue(page: Analyst) -> Response:
    """What sites have of some variables, asked."""
    form = page.form(Question)
    try:
        run = page.call("catalogue.ask", cohort=form.cohort, variables=_words(form.variables))["run"]
    except ShadowgraphError as error:
        return _catalogue(page, error=error, form=form, status=status_of(error))
    return page.done(f"/questions/{run}")


@router.get("/questions")
def questions(page: Member, study: Reference = "") -> Response:
    """The questions that were asked, and one to ask: of the people of a study, where one is named."""
    if not study:
        return _questions(page)
    cohort = wizard.as_yaml(file(page, study)["cohort"])
    return _questions(page, form=Question(cohort=cohort, variables="age, female"))


@router.post("/questions")
def ask(page: Analyst) -> Response:
    """Counts and summaries, asked."""
    form = page.form(Question)
    try:
        asked = {"cohort": form.cohort, "variables": _words(form.variables), "by_variable": form.by}
        run = page.call("queries.ask", **asked)["run"]
    except ShadowgraphError as error:
        return _questions(page, error=error, form=form, status=status_of(error))
    return page.done(f"/questions/{run}")


@router.get("/questions/{run}")
def answer(page: Member, run: str) -> Response:
    """The answer to a question, or that it is not there yet."""
    from server.web.result_view import shown

    view = page.call("studies.shown", reference=run)
    found = [shown(name, data) for name, data in (view["results"] or {}).items()]
    return page.show("question.html", study=view, found=found, is_over=view["state"] in ENDED)


@router.get("/cohorts")
def cohort(page: Analyst) -> Response:
    """A cohort to build."""
    return _cohort(page, START)


@router.post("/cohorts")
def build(page: Analyst) -> Response:
    """The cohort with a rule more, or how many people each rule leaves."""
    text, act = _sent(page, "text"), _sent(page, "act")
    try:
        if act == "begin":
            return _cohort(page, _index(page))
        if act == "atlas":
            return _cohort(page, _sent(page, "atlas"))
        if act == "add-rule":
            more = "rule", _sent(page, "rule"), _sent(page, "rule_name")
            return _cohort(page, wizard.with_part(text, *more, page.fields))
        if act == "count":
            run = page.call("queries.attrition", cohort=_as_definition(text))["run"]
            return page.done(f"/questions/{run}")
        return _cohort(page, text)
    except ShadowgraphError as error:
        return _cohort(page, text, error=error, status=status_of(error))


def _index(page: Page) -> str:
    try:
        return wizard.with_index(_sent(page, "domain"), _sent(page, "concept"), _sent(page, "pick"))
    except ValidationError:
        raise InputError(Code.INVALID_INPUT, "this is not a concept", "for example: ICD10CM:C71%") from None


def _as_definition(text: str) -> str:
    """The text of a cohort, as the center reads one: what ATLAS exported is put under `circe`."""
    if text.lstrip().startswith("{") and "PrimaryCriteria" in text:
        return f'{{"circe":\n{text}\n}}'
    return text if "\n" in text else f"{text}\n"


def _words(text: str) -> list[str]:
    found = [one.strip() for one in text.split(",") if one.strip()]
    if not found:
        raise InputError(Code.INVALID_INPUT, "no variable is named", "for example: age, female")
    return found


def _sent(page: Page, name: str) -> str:
    value = page.fields.get(name, "")
    return value if isinstance(value, str) else ""


def _catalogue(page: Page, *, status: HTTPStatus = HTTPStatus.OK, **more: Any) -> Response:
    told = page.call("catalogue.listed")["entries"]
    for entry in told:
        entry["table"] = _bands(entry)
    known = {"error": None, "form": None, "may_ask": page.me.may(Role.ANALYST), **more}
    return page.show("catalogue.html", status=status, told=told, **known)


def _bands(entry: dict[str, Any]) -> dict[str, Any]:
    """The bands of an entry as a table, each variable with its definition in words."""
    told = bands_by_site(entry["people"])
    silent = [site for site in entry["no_answer"] if site not in told["sites"]]
    rows = [(name, in_words(dict(entry["variables"][name])), bands) for name, bands in told["rows"]]
    return {"sites": told["sites"], "silent": silent, "rows": rows}


def _questions(page: Page, *, status: HTTPStatus = HTTPStatus.OK, **more: Any) -> Response:
    asked = [one for one in page.call("studies.listed")["studies"] if one["name"].startswith(QUERY)]
    told = {"error": None, "form": None, "may_ask": page.me.may(Role.ANALYST), **more}
    return page.show("questions.html", status=status, asked=asked[:100], **told)


def _cohort(page: Page, text: str, *, status: HTTPStatus = HTTPStatus.OK, **more: Any) -> Response:
    rule = _sent(page, "rule") or "age"
    return page.show(
        "cohort.html",
        status=status,
        text=text,
        rule=rule,
        rules=sorted(wizard.RULES),
        rule_fields=wizard.fields_of(wizard.model_of("rule", rule)),
        prefix=wizard.PREFIX,
        **{"error": None, **more},
    )
