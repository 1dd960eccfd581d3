"""An error as a browser or a program reads it: a status, a code, a text and a way out."""

from collections.abc import Mapping
from http import HTTPStatus

from protocols.core.errors import Code, ShadowgraphError

STATUS: Mapping[Code, HTTPStatus] = {
    Code.NOT_SIGNED_IN: HTTPStatus.UNAUTHORIZED,
    Code.NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    Code.REFUSED_BY_POLICY: HTTPStatus.FORBIDDEN,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    Code.TOO_MANY_TRIES: HTTPStatus.TOO_MANY_REQUESTS,
    Code.CENTER_FAILED: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.SITE_FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def status_of(error: ShadowgraphError) -> HTTPStatus:
    """The status with which an error is answered."""
    return STATUS.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY)


def said(error: ShadowgraphError) -> dict[str, str]:
    """The error as an object for programs."""
    return {"code": error.code, "text": error.text, "fix": error.fix}
