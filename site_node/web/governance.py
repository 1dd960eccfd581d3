"""Pages on what left, held answers, the audit, backups, the policy and the other sites."""

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from protocols.runtime.web.page import Admin, Form, Nothing, part
from site_node.web.roles import Approver, Reader

SETTINGS, RESTORING = "site.toml", "shadowgraph site restore FILE --home DIR"

router = APIRouter(include_in_schema=False)


class Looked(Form):
    """What a person says of a held answer."""

    note: str = Field(default="", max_length=500)


class Rule(Form):
    """A rule of the policy, and its new value."""

    rule: str = Field(min_length=1, max_length=100)
    value: str = Field(min_length=1, max_length=500)


class Peer(Form):
    """Another site, with the fingerprint that a person there read out."""

    site: str = Field(min_length=1, max_length=40)
    fingerprint: str = Field(min_length=1, max_length=200)


class Site(Form):
    """Another site."""

    site: str = Field(min_length=1, max_length=40)


@router.get("/left")
def left(page: Reader) -> Response:
    """Every answer that left this site."""
    return page.show("left.html", found=part(page.call("governance.left")["answers"], page.part))


@router.get("/held")
def held(page: Reader) -> Response:
    """The answers that wait for a person's look."""
    found = page.call("held.listed")
    return page.show("held.html", answers=found["answers"], names=found["names"])


@router.get("/held/{answer}")
def held_answer(page: Reader, answer: str) -> Response:
    """What one would let out."""
    found = page.call("held.shown", answer=answer)
    return page.show("held_answer.html", answer=found["answer"], study=found["study"])


@router.post("/held/{answer}/release")
def release(page: Approver, answer: str) -> Response:
    """The answer, let go by one person."""
    page.call("held.release", answer=answer, note=page.form(Looked).note)
    return page.done("/held", "You have let the answer go; it leaves once all who have to look have.")


@router.post("/held/{answer}/refuse")
def refuse(page: Approver, answer: str) -> Response:
    """The answer, which never leaves."""
    page.call("held.refuse", answer=answer, note=page.form(Looked).note)
    return page.done("/held", "The answer was refused; it never leaves.")


@router.get("/audit")
def audit(page: Reader) -> Response:
    """What was decided and done here, the newest first."""
    found = page.call("governance.audit")
    return page.show("audit.html", fault=found["fault"], found=part(found["lines"], page.part))


@router.get("/policy")
def policy(page: Reader) -> Response:
    """The rules beside the shipped ones, and what they do to the studies that wait."""
    return page.show("policy.html", found=page.call("governance.policy"))


@router.post("/policy")
def set_rule(page: Approver) -> Response:
    """One rule changed."""
    form = page.form(Rule)
    page.call("governance.set_rule", rule=form.rule, value=form.value)
    return page.done("/policy", "The rule was changed.")


@router.get("/backups")
def backups(page: Admin) -> Response:
    """The backups in the folder of the settings."""
    found = page.call("backups.listed")
    return page.show("backups.html", found=found, settings=SETTINGS, restoring=RESTORING)


@router.post("/backups")
def back_up(page: Admin) -> Response:
    """One more, to be written by the worker."""
    page.form(Nothing)
    return page.done(f"/jobs/{page.call('backups.make')['number']}")


@router.get("/peers")
def peers(page: Reader) -> Response:
    """The other sites, whose keys people compare."""
    return page.show("peers.html", found=page.call("governance.peers"))


@router.post("/peers/confirm")
def confirm(page: Approver) -> Response:
    """A site whose fingerprint a person compared."""
    form = page.form(Peer)
    page.call("governance.confirm_peer", site=form.site, fingerprint=form.fingerprint)
    return page.done("/peers", "The site was confirmed.")


@router.post("/peers/remove")
def remove(page: Approver) -> Response:
    """A site whose key counts no longer."""
    page.call("governance.remove_peer", site=page.form(Site).site)
    return page.done("/peers", "The site was removed.")
