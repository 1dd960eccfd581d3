"""Pages on accounts, the same on both sides: sign in and out, open an account, profile, all accounts."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from pydantic import Field

from protocols.core.errors import Code, ShadowgraphError
from protocols.runtime.accounts.roles import Role
from protocols.runtime.web.language import COOKIE as LANGUAGE
from protocols.runtime.web.language import LANGUAGES
from protocols.runtime.web.page import Admin, Anybody, Form, Many, Member, Nothing, Page, own_path
from protocols.runtime.web.refusals import status_of

YEAR = 365 * 24 * 3600
DAYS = (7, 30, 90, 365)
GONE = "__Host-shadowgraph-oidc"
"""The cookie of a browser that went to the provider."""

router = APIRouter(include_in_schema=False)


class SignIn(Form):
    """What signs a person in, and where they wanted to go."""

    name: str = Field(max_length=64)
    password: str = Field(max_length=256)
    code: str = Field(max_length=32)
    to: str = Field(default="/", max_length=500)


class Opening(Form):
    """What opens an account, with the password typed once more."""

    password: str = Field(max_length=256)
    again: str = Field(max_length=256)
    code: str = Field(max_length=32)


class NewToken(Form):
    """A token to be made."""

    title: str = Field(min_length=1, max_length=100)
    scopes: Many
    days: int = Field(ge=1, le=365)


class Number(Form):
    """One of a list."""

    number: str = Field(max_length=64)


class Invitation(Form):
    """An account to be invited, new or to be opened anew."""

    name: str = Field(max_length=64)
    roles: Many


class Named(Form):
    """An account."""

    name: str = Field(max_length=64)


class Language(Form):
    """A language, and the page to go on with."""

    language: str = Field(max_length=5)
    to: str = Field(default="/", max_length=500)


@router.get("/sign-in")
def sign_in_page(page: Anybody, to: str = "/") -> Response:
    """Name, password and code, or the side's provider."""
    return _sign_in(page, to=own_path(to))


@router.post("/sign-in")
def sign_in(page: Anybody) -> Response:
    """A new session; what was wrong is not said."""
    form = page.form(SignIn)
    shown = {"name": form.name, "password": form.password, "code": form.code}
    try:
        new = page.call("accounts.sign_in", **shown, address=page.address)
    except ShadowgraphError as error:
        return _sign_in(page, to=own_path(form.to), name=form.name, error=error)
    return _signed_in(page, page.done(form.to), new)


@router.get("/oidc")
def begin_oidc(page: Anybody, fresh: bool = False) -> Response:
    """The way to the provider, with a cookie by which the browser that comes back is known."""
    begun = page.call("accounts.begin_oidc", fresh=fresh)
    reply = RedirectResponse(begun["address"], 303)
    # Lax: the way back begins at the provider's address.
    reply.set_cookie(GONE, begun["browser"], max_age=600, secure=True, httponly=True, samesite="lax")
    return reply


@router.get("/oidc/return")
def finish_oidc(page: Anybody, state: str = "", code: str = "") -> Response:
    """A new session, on a page that leads on: a request from elsewhere bears no strict cookie."""
    brought = {"state": state, "code": code, "browser": page.request.cookies.get(GONE, "")}
    try:
        new = page.call("accounts.finish_oidc", **brought, address=page.address)
    except ShadowgraphError as error:
        return _sign_in(page, to="/", error=error)
    reply = page.show("entered.html", account=new["account"])
    reply.delete_cookie(GONE, secure=True, httponly=True, samesite="lax")
    return _signed_in(page, reply, new)


@router.get("/enter/{word}")
def link(page: Anybody, word: str) -> Response:
    """Whom a link signs in: a button uses it up, and no program that looks at links."""
    found = page.call("accounts.link_owner", word=word)
    return page.show("enter.html", account=found["account"], word=word)


@router.post("/enter/{word}")
def enter(page: Anybody, word: str) -> Response:
    """A new session, by a link that works once."""
    page.form(Nothing)
    new = page.call("accounts.enter", word=word, address=page.address)
    return _signed_in(page, page.done("/"), new)


@router.post("/sign-out")
def sign_out(page: Member) -> Response:
    """The end of the session."""
    page.form(Nothing)
    page.call("accounts.sign_out")
    reply = RedirectResponse("/sign-in", 303)
    reply.delete_cookie(page.web.side.cookie, secure=True, httponly=True, samesite="strict")
    return reply


@router.post("/language")
def choose_language(page: Anybody) -> Response:
    """The same page in another language."""
    form = page.form(Language)
    reply = page.done(form.to)
    if form.language in LANGUAGES:
        reply.set_cookie(LANGUAGE, form.language, max_age=YEAR, secure=True, httponly=True, samesite="lax")
    return reply


@router.get("/invitation/{word}")
def opening(page: Anybody, word: str) -> Response:
    """What the owner of an invitation needs to open the account."""
    return page.show("invitation.html", found=page.call("accounts.opening", word=word), error=None)


@router.post("/invitation/{word}")
def open_account(page: Anybody, word: str) -> Response:
    """The account, opened, with the recovery codes that are shown this once."""
    form = page.form(Opening)
    try:
        if form.password != form.again:
            raise ShadowgraphError(Code.INVALID_INPUT, "the two passwords differ", "type the same one twice")
        opened = page.call("accounts.open_account", word=word, password=form.password, code=form.code)
    except ShadowgraphError as error:
        if error.code != Code.INVALID_INPUT:
            raise
        found = page.call("accounts.opening", word=word)
        return page.show("invitation.html", status=status_of(error), found=found, error=error)
    return page.show("opened.html", opened=opened)


@router.get("/profile")
def profile(page: Member) -> Response:
    """One's own account: roles, sessions, tokens."""
    return page.show("profile.html", **_own(page), days=DAYS)


@router.post("/profile/tokens")
def new_token(page: Member) -> Response:
    """A new token, shown this once."""
    form = page.form(NewToken)
    made = page.call("accounts.new_token", title=form.title, scopes=form.scopes, days=form.days)
    return page.show("new_token.html", made=made, title=form.title)


@router.post("/profile/tokens/revoke")
def revoke_token(page: Member) -> Response:
    """One token less."""
    page.call("accounts.revoke_token", number=page.form(Number).number)
    return page.done("/profile", "The token was revoked.")


@router.post("/profile/sessions/end")
def end_session(page: Member) -> Response:
    """One session less."""
    page.call("accounts.end_session", number=page.form(Number).number)
    return page.done("/profile", "The session was ended.")


@router.get("/accounts")
def accounts(page: Admin) -> Response:
    """All accounts."""
    found = page.call("accounts.listed")["accounts"]
    return page.show("accounts.html", accounts=found)


@router.post("/accounts/invite")
def invite(page: Admin) -> Response:
    """An invitation, whose word is shown this once."""
    form = page.form(Invitation)
    made = page.call("accounts.invite", name=form.name, roles=form.roles)
    return page.show("invited.html", made=made, origin=page.origin)


@router.post("/accounts/roles")
def give_roles(page: Admin) -> Response:
    """An account with other roles."""
    form = page.form(Invitation)
    page.call("accounts.give_roles", name=form.name, roles=form.roles)
    return page.done("/accounts", "The roles were changed; the account's sessions and tokens have ended.")


@router.post("/accounts/disable")
def disable(page: Admin) -> Response:
    """An account that signs nobody in any more."""
    page.call("accounts.disable", name=page.form(Named).name)
    return page.done("/accounts", "The account was disabled.")


def _sign_in(page: Page, *, to: str, name: str = "", error: ShadowgraphError | None = None) -> Response:
    provider = page.call("accounts.provider")["label"]
    status = HTTPStatus.OK if error is None else status_of(error)
    return page.show("sign_in.html", status=status, to=to, name=name, error=error, provider=provider)


def _signed_in(page: Page, reply: Response, new: Mapping[str, Any]) -> Response:
    """The reply, with the new session's cookie."""
    reply.set_cookie(page.web.side.cookie, new["word"], secure=True, httponly=True, samesite="strict")
    return reply


def _own(page: Page) -> dict[str, Any]:
    own_roles = [role for role in page.web.side.roles if page.me.may(role)]
    return {
        "own_roles": own_roles or [Role.MEMBER],
        "sessions": page.call("accounts.my_sessions")["sessions"],
        "tokens": page.call("accounts.my_tokens")["tokens"],
    }
