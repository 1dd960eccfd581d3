"""An application with the pages of one side, and what holds for every request to it."""

import logging
import secrets
from collections.abc import Sequence
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from protocols.core.errors import Code, InputError, ShadowgraphError, UnreachableError
from protocols.runtime.accounts.roles import Way
from protocols.runtime.http_limits import Limits
from protocols.runtime.web import account_pages
from protocols.runtime.web.page import SAFE, Page
from protocols.runtime.web.refusals import said, status_of
from protocols.runtime.web.side import Web

LARGEST_BODY = 1_000_000
API = "/api/"

log = logging.getLogger("shadowgraph.web")


def make_application(web: Web, routers: Sequence[APIRouter], hosts: Sequence[str]) -> FastAPI:
    """The application of one side.

    Args:
        web: the side's pages at work.
        routers: its own pages, and its API under `/api/`.
        hosts: the names under which it is reached; a request for another name is refused.
    """
    app = FastAPI(
        title=f"Shadowgraph {web.side.kind}",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if web.side.kind == "center" else None,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)),
            Middleware(Limits, largest_body=LARGEST_BODY),
        ],
    )
    app.state.web, app.state.actions = web, web.actions
    for router in (*routers, account_pages.router, _machines):
        app.include_router(router)
    app.add_exception_handler(ShadowgraphError, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.add_exception_handler(HTTPException, _no_such_page)
    app.add_exception_handler(Exception, _failed)
    return app


_machines = APIRouter(include_in_schema=False)


@_machines.get("/static/{version}/{name}")
def static(request: Request, version: str, name: str) -> Response:
    """A style, a script or a font."""
    web: Web = request.app.state.web
    file = web.static.get(name)
    if file is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    keep = "public, max-age=31536000, immutable" if version == file.version else "no-store"
    return Response(file.content, media_type=file.media, headers={"Cache-Control": keep})


@_machines.get("/healthz")
def alive() -> Response:
    """That this process answers."""
    return Response("ok\n", media_type="text/plain")


@_machines.get("/readyz")
def ready(request: Request) -> Response:
    """Whether the process that acts answers too."""
    web: Web = request.app.state.web
    try:
        web.actions.call(Way.SESSION, "", "accounts.opening", word="")
    except UnreachableError:
        return Response("not ready\n", HTTPStatus.SERVICE_UNAVAILABLE, media_type="text/plain")
    except ShadowgraphError:
        pass  # it answered: there is no such invitation
    return Response("ready\n", media_type="text/plain")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ShadowgraphError)
    if request.url.path.startswith(API):
        return JSONResponse(said(error), status_of(error))
    page = _visitor(request)
    if error.code == Code.NOT_SIGNED_IN and request.method in SAFE:
        to = request.scope["path"]
        return RedirectResponse("/sign-in" if to == "/" else f"/sign-in?to={to}", HTTPStatus.SEE_OTHER)
    status = HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, UnreachableError) else status_of(error)
    return page.show("error.html", status=status, error=error)


async def _not_understood(request: Request, error: Exception) -> Response:
    """Which parts of a request are wrong; not with what was in them."""
    assert isinstance(error, RequestValidationError)
    places = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
    return await _refused(request, InputError(Code.INVALID_INPUT, f"not what is asked for here: {places}"))


async def _no_such_page(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return await _refused(request, InputError(Code.NOT_FOUND, "there is no such page"))
    return Response(HTTPStatus(error.status_code).phrase + "\n", error.status_code, media_type="text/plain")


async def _failed(request: Request, error: Exception) -> Response:
    """A number to quote, under which the log has the kind of what went wrong."""
    number = secrets.token_hex(4)
    log.error("%s: a page ended with a %s", number, type(error).__name__)
    text = f"this did not work; the log has the reason under {number}"
    return await _refused(request, ShadowgraphError(Code.SITE_FAILED, text))


def _visitor(request: Request) -> Page:
    """The request as a page that asks nobody who it is: for errors, which may come from the asking."""
    return Page(request, request.app.state.web)
