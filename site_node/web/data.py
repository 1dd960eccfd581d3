"""Pages on data: what is here, loads and other long work, quarantine, codes to map, quality."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts.roles import Role
from protocols.runtime.web.page import Form, Nothing, Page, part
from site_node.web.roles import Reader, Steward

ENDED = ("done", "failed", "stopped")
LOADS = {
    "load-fhir": "FHIR resources",
    "load-dicom": "images (DICOM)",
    "load-genomics": "genomic tests",
    "load-image-features": "readers' scores of images",
}
ALONE = ("radiomics", "quality", "remap")
WORK = {
    "load-fhir": "Load of FHIR resources",
    "load-dicom": "Load of images",
    "load-genomics": "Load of genomic tests",
    "load-image-features": "Load of readers' scores",
    "radiomics": "Measuring of images",
    "quality": "Quality checks",
    "map": "Code mapped",
    "remap": "Mapping anew",
    "backup": "Backup",
}

router = APIRouter(include_in_schema=False)


class Load(Form):
    """A load: of what, from where."""

    kind: str = Field(max_length=40)
    place: str = Field(max_length=1000)


class Work(Form):
    """Long work that needs no more words."""

    kind: str = Field(max_length=40)


@router.get("/data")
def status(page: Reader) -> Response:
    """Rows, loads, doubts, and the work under way."""
    found = page.call("data.status")
    told = {"places": page.call("jobs.places"), "loads": LOADS} if page.me.may(Role.STEWARD) else {}
    return page.show("data.html", found=found, jobs=page.call("jobs.listed")["jobs"], work=WORK, **told)


@router.get("/data/quarantine")
def quarantine(page: Reader) -> Response:
    """What could not be loaded, by reason and by place."""
    found = page.call("data.quarantine")
    return page.show("quarantine.html", groups=found["groups"], places=part(found["places"], page.part))


@router.post("/data/load")
def load(page: Steward) -> Response:
    """A load, to be done by the worker."""
    form = page.form(Load)
    if form.kind not in LOADS:
        raise InputError(Code.INVALID_INPUT, "there is no such work")
    return _asked(page, form.kind, {"place": form.place})


@router.post("/jobs")
def work(page: Steward) -> Response:
    """Other long work."""
    form = page.form(Work)
    if form.kind not in ALONE:
        raise InputError(Code.INVALID_INPUT, "there is no such work")
    return _asked(page, form.kind, {})


@router.get("/jobs/{number}")
def job(page: Reader, number: int) -> Response:
    """How far a job is, followed live where the browser runs scripts."""
    return page.show("job.html", job=page.call("jobs.shown", number=number), work=WORK)


@router.get("/jobs/{number}/events")
def events(page: Reader, number: int) -> Response:
    """The same as server-sent events, each a piece of the page."""
    page.call("jobs.shown", number=number)
    return StreamingResponse(_pieces(page, number), media_type="text/event-stream")


@router.post("/jobs/{number}/stop")
def stop(page: Steward, number: int) -> Response:
    """The job, stopped at its next step."""
    page.form(Nothing)
    page.call("jobs.stop", number=number)
    return page.done(f"/jobs/{number}", "The work stops at its next step; what it did stays.")


@router.get("/quality")
def quality(page: Reader) -> Response:
    """What the checks found when they last ran, and the trend over runs."""
    return page.show("quality.html", kept=page.call("data.quality"))


@router.get("/images")
def images(page: Reader) -> Response:
    """Images by modality, with regions and features, and what could not be measured."""
    return page.show("images.html", found=page.call("data.images"))


@router.get("/genomics")
def genomics(page: Reader) -> Response:
    """People, samples and findings by kind of genomic test."""
    return page.show("genomics.html", assays=page.call("data.genomics")["assays"])


@router.get("/mapping")
def mapping(page: Reader) -> Response:
    """Codes without a standard concept, those first that touch most people."""
    found = page.call("data.codes")
    return page.show("mapping.html", found=part(found["codes"], page.part), names=found["vocabularies"])


@router.get("/mapping/one")
def mapping_of_one(
    page: Reader, system: str, code: str, words: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """One code, with standard concepts whose names hold its words."""
    asked = words or code
    found = page.call("data.suggestions", words=asked)
    return page.show("mapping_one.html", system=system, code=code, words=asked, concepts=found["concepts"])


@router.get("/mapping/codes.csv")
def codes(page: Reader) -> Response:
    """The codes as a file, for Usagi or to be filled in."""
    headers = {"Content-Disposition": 'attachment; filename="codes.csv"'}
    return Response(page.call("data.usagi")["text"], media_type="text/csv", headers=headers)


class MapFile(Form):
    """A map of codes, pasted."""

    table: str = Field(min_length=1, max_length=900_000)


@router.post("/mapping/file")
def assign_all(page: Steward) -> Response:
    """Usagi's export, or the filled-in list, into the site's map."""
    lines = page.call("data.map_lines", text=page.form(MapFile).table)["lines"]
    return _asked(page, "map", {"lines": lines})


class Assignment(Form):
    """A code and the concept that it means."""

    system: str = Field(min_length=1, max_length=500)
    code: str = Field(min_length=1, max_length=500)
    concept: int = Field(ge=0, le=2**31 - 1)


@router.post("/mapping")
def assign(page: Steward) -> Response:
    """One code more in the site's map; what is loaded is mapped anew."""
    form = page.form(Assignment)
    return _asked(page, "map", {"lines": [[form.system, form.code, form.concept]]})


def _asked(page: Page, kind: str, arguments: dict[str, Any]) -> Response:
    number = page.call("jobs.ask", kind=kind, arguments=arguments)["number"]
    return page.done(f"/jobs/{number}")


def _pieces(page: Page, number: int) -> Iterator[str]:
    for state in page.stream("jobs.watch", number=number):
        piece = page.piece("job_state.html", job=state)
        yield "".join(f"data: {line}\n" for line in piece.splitlines() if line.strip()) + "\n"
        if state["state"] in ENDED:
            yield f"event: ended\ndata: {json.dumps(state['state'])}\n\n"
