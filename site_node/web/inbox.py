"""Pages on studies: the inbox, one study with all that bears on the decision, standing approvals."""

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from protocols import CATALOGUE
from protocols.runtime.web.page import Form, Nothing, part
from site_node.web.dossier import cohort_rules, leaves, variables
from site_node.web.roles import Approver, Reader

PASSED = "passed"
"""The state, on the page, of what was answered under standing approvals."""

router = APIRouter(include_in_schema=False)


class Approval(Form):
    """On which terms a study is approved; `hash` is that of the study as it was read."""

    hash: str = Field(min_length=64, max_length=64)
    days: int = Field(ge=1, le=730)
    runs: int = Field(ge=1, le=100)
    note: str = Field(default="", max_length=500)


class Verdict(Form):
    """A refusal or revocation."""

    hash: str = Field(min_length=64, max_length=64)
    note: str = Field(default="", max_length=500)


class Standing(Form):
    """A standing approval."""

    protocol: str = Field(max_length=60)
    studies: int = Field(ge=1, le=10_000)
    variables: int = Field(ge=1, le=5000)
    days: int = Field(ge=1, le=730)


class Protocol(Form):
    """A protocol."""

    protocol: str = Field(max_length=60)


@router.get("/studies")
def inbox(page: Reader, state: str = "") -> Response:
    """The studies that asked this site, the newest first; those that passed by themselves when asked for."""
    studies = page.call("inbox.listed", passed=True)["studies"]
    for one in studies:
        one["state"] = PASSED if one["passed"] else one["state"]
    states = sorted({one["state"] for one in studies})
    chosen = [one for one in studies if one["state"] == state or (not state and one["state"] != PASSED)]
    return page.show("inbox.html", found=part(chosen, page.part), states=states, state=state)


@router.get("/studies/{study}")
def study(page: Reader, study: str) -> Response:
    """All that bears on the decision about one study."""
    found = page.call("studies.shown", study=study)
    return page.show(
        "study.html",
        found=found,
        study=found["study"],
        rules=cohort_rules(found),
        variables=variables(found),
        leaves=leaves(found),
    )


@router.post("/studies/{study}/simulate")
def simulate(page: Approver, study: str) -> Response:
    """The same page with what the study finds here."""
    page.form(Nothing)
    page.call("inbox.simulate", study=study)
    return page.done(f"/studies/{study}", "The study was simulated here; nothing left this site.")


@router.post("/studies/{study}/approve")
def approve(page: Approver, study: str) -> Response:
    """The study, approved exactly as it was read."""
    form = page.form(Approval)
    made = page.call("inbox.approve", study=form.hash, days=form.days, runs=form.runs, note=form.note)
    if made["state"] == "pending":
        return page.done(f"/studies/{study}", "Your approval is kept; a second person has to approve too.")
    return page.done(f"/studies/{study}", "The study was approved, and its people were sealed.")


@router.post("/studies/{study}/refuse")
def refuse(page: Approver, study: str) -> Response:
    """The study, refused."""
    form = page.form(Verdict)
    page.call("inbox.refuse", study=form.hash, note=form.note)
    return page.done(f"/studies/{study}", "The study was refused.")


@router.post("/studies/{study}/revoke")
def revoke(page: Approver, study: str) -> Response:
    """The approval, ended."""
    form = page.form(Verdict)
    page.call("inbox.revoke", study=form.hash, note=form.note)
    return page.done(f"/studies/{study}", "The approval was revoked; no further question is answered.")


@router.get("/standing")
def standing(page: Reader) -> Response:
    """The protocols whose studies pass without a look, within limits."""
    approvals = page.call("inbox.standing")["approvals"]
    return page.show("standing.html", approvals=approvals, protocols=sorted(CATALOGUE))


@router.post("/standing")
def approve_standing(page: Approver) -> Response:
    """One protocol more."""
    page.call("inbox.approve_standing", **page.form(Standing).model_dump())
    return page.done("/standing", "The standing approval was given.")


@router.post("/standing/withdraw")
def withdraw_standing(page: Approver) -> Response:
    """One protocol less."""
    page.call("inbox.withdraw_standing", protocol=page.form(Protocol).protocol)
    return page.done("/standing", "The standing approval was taken back.")
