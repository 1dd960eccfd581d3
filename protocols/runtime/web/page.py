"""One request for a page: who asks, what a form sent, and what is answered."""

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts.roles import NotAllowedError, Role, Way
from protocols.runtime.action_socket import Actions
from protocols.runtime.web.language import COOKIE as LANGUAGE
from protocols.runtime.web.language import language_of
from protocols.runtime.web.side import Web

SAFE = frozenset({"GET", "HEAD"})
FRESH_SECONDS = 240.0
"""A form asks for a code from here on; the action itself allows a minute more, to fill the form in."""
MOST_FIELDS = 1000
ROWS = 100
HIDDEN = ("form_secret", "once", "fresh_code")
SAID = "said"

M = TypeVar("M", bound="Form")


class Form(BaseModel):
    """The fields of one form; a request with another field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Form):
    """A form that is only sent."""


Many = Annotated[
    tuple[str, ...], BeforeValidator(lambda given: (given,) if isinstance(given, str) else given)
]
"""A field that a form sends once per choice."""


@dataclass(frozen=True)
class Me:
    """Whoever is signed in; a visitor has no account and no role."""

    account: str = ""
    roles: frozenset[Role] = frozenset()
    form_secret: str = ""
    proved_at: float = 0.0
    by_provider: bool = False

    def may(self, role: Role) -> bool:
        """Whether the account has the role."""
        return role in self.roles


@dataclass(frozen=True)
class Page:
    """One request, its account, and the ways to answer it.

    Attributes:
        fields: what a form sent; a name that was sent more than once has a list.
        word: the session's, or "".
    """

    request: Request
    web: Web
    me: Me = Me()
    word: str = ""
    fields: Mapping[str, str | list[str]] = field(default_factory=dict)

    @property
    def language(self) -> str:
        """The language of the answer."""
        found = self.request
        return language_of(found.cookies.get(LANGUAGE, ""), found.headers.get("accept-language", ""))

    @property
    def address(self) -> str:
        """Where the request came from; the proxy says it."""
        return self.request.client.host if self.request.client else ""

    @property
    def origin(self) -> str:
        """Under which address the page was asked for, to be shown in a link; nothing is decided by it."""
        return f"{self.request.url.scheme}://{self.request.headers['host']}"

    @property
    def path(self) -> str:
        """The page's own address."""
        return str(self.request.scope["path"])

    @property
    def part(self) -> int:
        """Which part of a long list was asked for."""
        asked = self.request.query_params.get("part", "1")
        return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1

    @property
    def needs_code(self) -> bool:
        """Whether a form of what needs a fresh second factor has to ask for it."""
        return time.time() - self.me.proved_at > FRESH_SECONDS

    def call(self, action: str, /, **arguments: Any) -> Any:
        """The action's value as JSON's own types; in a form that was sent twice, the first one's.

        Raises:
            ShadowgraphError: as the action raised it.
        """
        once = self.fields.get("once", "")
        actions: Actions = replace(self.web.actions, once=once if isinstance(once, str) else "")
        return actions.call(Way.SESSION, self.word, action, **arguments)

    def stream(self, action: str, /, **arguments: Any) -> Iterator[Any]:
        """The action's events."""
        return self.web.actions.stream(Way.SESSION, self.word, action, **arguments)

    def form(self, model: type[M]) -> M:
        """What the form sent. A fresh code that it bears is given on first.

        Raises:
            InputError: invalid-input; it lacks a field, or has one that is not in it.
            NotAllowedError: not-signed-in; the code is not right.
        """
        given = {name: value for name, value in self.fields.items() if name not in HIDDEN}
        try:
            checked = model.model_validate(given)
        except ValidationError as error:
            places = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
            raise InputError(Code.INVALID_INPUT, f"not what this form asks for: {places}") from None
        if code := self.fields.get("fresh_code"):
            self.call("accounts.prove", code=code)
        return checked

    def piece(self, template: str, /, **values: Any) -> str:
        """A part of a page, for a stream of events."""
        known = {"page": self, "me": self.me, "language": self.language, "once": ""}
        return self.web.rendered(template, {**known, **values})

    def show(self, template: str, /, *, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> HTMLResponse:
        """The page of a template."""
        said = unquote(self.request.cookies.get(SAID, ""))
        known = {"page": self, "me": self.me, "language": self.language, "said": said, "once": new_word()}
        reply = HTMLResponse(self.web.rendered(template, {**known, **values}), status)
        if said:
            reply.delete_cookie(SAID)
        return reply

    def done(self, address: str, said: str = "") -> Response:
        """The way to another page after a form, where a sentence says once what was done."""
        reply = RedirectResponse(own_path(address), HTTPStatus.SEE_OTHER)
        if said:
            reply.set_cookie(SAID, quote(said), max_age=60, httponly=True, samesite="strict")
        return reply


@dataclass(frozen=True)
class Needs:
    """What a page demands before its function is called: a role, and of a form that it is this page's.

    Attributes:
        role: who may see it; None for what is shown before signing in.
    """

    role: Role | None

    async def __call__(self, request: Request) -> Page:
        """The request, once it may pass.

        Raises:
            NotAllowedError: not-signed-in; not-allowed: the role is lacking, or the form is another page's.
        """
        web: Web = request.app.state.web
        page = Page(request, web, word=request.cookies.get(web.side.cookie, ""))
        if page.word or self.role is not None:
            page = replace(page, me=await run_in_threadpool(_me, page, self.role is None))
        if self.role is not None and not page.me.may(self.role):
            raise NotAllowedError(Code.NOT_ALLOWED, f"this needs the role {self.role}", "ask an admin for it")
        if request.method in SAFE:
            return page
        _need_same_origin(request)
        page = replace(page, fields=await _fields(request))
        if self.role is not None and not _is_own(page):
            raise NotAllowedError(Code.NOT_ALLOWED, "this form is too old", "load the page again")
        return page


def needs(role: Role | None) -> Any:
    """The declaration of a page's role, for `Annotated[Page, needs(role)]`."""
    return Depends(Needs(role), use_cache=False)


Anybody = Annotated[Page, needs(None)]
Member = Annotated[Page, needs(Role.MEMBER)]
Admin = Annotated[Page, needs(Role.ADMIN)]


@dataclass(frozen=True)
class Part:
    """One page's part of a long list, of `ROWS` rows at most."""

    rows: list[Any]
    number: int
    pages: int
    total: int


def part(rows: list[Any], number: int) -> Part:
    """The part of that number, counted from 1; the nearest there is."""
    pages = max(1, -(-len(rows) // ROWS))
    number = min(max(1, number), pages)
    return Part(rows[(number - 1) * ROWS : number * ROWS], number, pages, len(rows))


def new_word() -> str:
    """A word that no other form has."""
    return secrets.token_urlsafe(16)


def own_path(address: str) -> str:
    """The address, if it is a path of this site; else the first page.

    Example:
        >>> own_path("/studies?page=2"), own_path("//elsewhere.example"), own_path("https://elsewhere.example")
        ('/studies?page=2', '/', '/')
    """
    split = urlsplit(address)
    is_own = not split.scheme and not split.netloc and address[:1] == "/" and address[1:2] not in ("/", "\\")
    return address if is_own and address.isprintable() else "/"


def _me(page: Page, is_optional: bool) -> Me:
    """Whoever is signed in; a visitor where nobody is and nobody need be."""
    try:
        found = page.web.actions.call(Way.SESSION, page.word, "accounts.me")
    except NotAllowedError:
        if is_optional:
            return Me()
        raise
    roles = frozenset(Role(one) for one in found["roles"])
    proved_at = found["proved_at"] or 0.0
    return Me(found["account"], roles, found["form_secret"], proved_at, found["by_provider"])


def _need_same_origin(request: Request) -> None:
    """Raises unless the request comes from a page of this site, as the browser itself says.

    Raises:
        NotAllowedError: not-allowed.
    """
    site = request.headers.get("sec-fetch-site")
    origin = urlsplit(request.headers.get("origin", "")).netloc
    if site != "same-origin" and not (site is None and origin and origin == request.headers.get("host")):
        raise NotAllowedError(Code.NOT_ALLOWED, "this form came from elsewhere", "open the page here")


def _is_own(page: Page) -> bool:
    given, own = page.fields.get("form_secret", ""), page.me.form_secret
    return isinstance(given, str) and bool(own) and secrets.compare_digest(given.encode(), own.encode())


async def _fields(request: Request) -> dict[str, str | list[str]]:
    """What a form sent, with a bound on how many fields.

    Raises:
        InputError: invalid-input; not a form as HTML sends it.
    """
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise InputError(Code.INVALID_INPUT, "this is not a form")
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError:
        raise InputError(Code.INVALID_INPUT, "this is not a form") from None
    found: dict[str, str | list[str]] = {}
    for name, value in pairs:
        earlier = found.get(name)
        found[name] = (
            value if earlier is None else [*([earlier] if isinstance(earlier, str) else earlier), value]
        )
    return found
