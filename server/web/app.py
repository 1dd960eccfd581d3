"""The center's web process: the API and what holds for every request to it. It can be killed at any time.

Run as `python -m server.web.app --socket PATH --port N`.
"""

import argparse
from http import HTTPStatus
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from protocols.core.errors import Code, ShadowgraphError
from protocols.runtime.action_socket import Actions
from protocols.runtime.http_limits import Limits
from server.web import api

LARGEST_BODY = 1_000_000


def make_app(socket: Path, hosts: tuple[str, ...]) -> FastAPI:
    """The application of one center.

    Args:
        socket: where its actions are served.
        hosts: the names under which it is reached; a request for another name is refused.
    """
    app = FastAPI(
        title="Shadowgraph center",
        version="1",
        docs_url=None,
        redoc_url=None,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)),
            Middleware(Limits, largest_body=LARGEST_BODY),
        ],
    )
    app.state.actions = Actions(socket)
    app.include_router(api.router)
    app.add_exception_handler(ShadowgraphError, api.refusal)
    app.add_exception_handler(RequestValidationError, _not_understood)
    return app


def _not_understood(_request: Request, error: Exception) -> JSONResponse:
    """Which parts of a request are wrong; not with what was in them."""
    assert isinstance(error, RequestValidationError)
    places = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
    said = {"code": Code.INVALID_INPUT, "text": f"not what is asked for here: {places}", "fix": ""}
    return JSONResponse(said, HTTPStatus.UNPROCESSABLE_ENTITY)


def main() -> None:
    """Serves on loopback until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m server.web.app")
    parser.add_argument("--socket", type=Path, required=True, help="where the center's actions are served")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", action="append", required=True, help="a name under which it is reached")
    arguments = parser.parse_args()
    app = make_app(arguments.socket, tuple(arguments.host))
    uvicorn.run(
        app, host="127.0.0.1", port=arguments.port, access_log=False, ws="none", timeout_graceful_shutdown=1
    )


if __name__ == "__main__":
    main()
