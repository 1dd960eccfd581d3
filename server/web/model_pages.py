"""Pages on registered models: the list, a card, and who lets a model leave the center."""

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field

from protocols.runtime.accounts.roles import Role
from protocols.runtime.web.page import Form, Member, Page, needs
from server.web.network_pages import Coordinator
from server.web.study_pages import in_words

Analyst = Annotated[Page, needs(Role.ANALYST)]

router = APIRouter(include_in_schema=False)


class Registration(Form):
    """An analysis to be registered."""

    analysis: str = Field(min_length=1, max_length=100)
    title: str = Field(default="", max_length=120)


class Said(Form):
    """A note for the record."""

    note: str = Field(default="", max_length=500)


@router.get("/models")
def listed(page: Member) -> Response:
    """The registered models."""
    return page.show("models.html", models=page.call("models.listed")["models"])


@router.get("/models/{number}")
def shown(page: Member, number: int) -> Response:
    """A model's card."""
    model = page.call("models.shown", number=number)
    spec = {key: value for key, value in model["card"]["spec"].items() if key != "protocol"}
    fields = [(key, in_words({"kind": "", key: value}).partition(": ")[2]) for key, value in spec.items()]
    return page.show("model.html", model=model, card=model["card"], fields=[one for one in fields if one[1]])


@router.get("/models/{number}/model.json")
def file_of(page: Member, number: int) -> Response:
    """A released model under the coordinator's signature."""
    found = page.call("models.file", number=number)
    headers = {"Content-Disposition": f'attachment; filename="{found["name"]}"'}
    return Response(found["text"], media_type="application/json", headers=headers)


@router.post("/studies/{reference}/models")
def register(page: Analyst, reference: str) -> Response:
    """A draft of an analysis."""
    form = page.form(Registration)
    asked = {"reference": reference, "analysis": form.analysis, "title": form.title}
    made = page.call("models.register", **asked)
    return page.done(f"/models/{made['number']}", "The model is registered as a draft.")


@router.post("/models/{number}/release")
def release(page: Coordinator, number: int) -> Response:
    """One person more who lets it leave."""
    model = page.call("models.release", number=number, note=page.form(Said).note)
    if model["state"] == "draft":
        return page.done(f"/models/{number}", "You have said so; a second person has to say so too.")
    return page.done(f"/models/{number}", "The model is released.")


@router.post("/models/{number}/withdraw")
def withdraw(page: Coordinator, number: int) -> Response:
    """No file of it is given out any more."""
    page.call("models.withdraw", number=number, note=page.form(Said).note)
    return page.done(f"/models/{number}", "The model was withdrawn.")
