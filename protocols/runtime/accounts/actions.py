"""What people do with accounts, the same on both sides, as it is served to pages and programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from protocols.runtime import audit_chain
from protocols.runtime.accounts import oidc, people, secrets, sessions, sign_in_links, tokens
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.machine import unix_user
from protocols.runtime.accounts.oidc import Attempt
from protocols.runtime.accounts.people import Account, Invitation
from protocols.runtime.accounts.provider import provider_config
from protocols.runtime.accounts.roles import Actor, Role
from protocols.runtime.accounts.sessions import SessionLine
from protocols.runtime.accounts.tokens import NewToken, Token
from protocols.runtime.action_socket import Served


@dataclass(frozen=True)
class SignedIn:
    """A new session: the word for its cookie, and whose it is."""

    word: str
    account: str
    roles: tuple[Role, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Me:
    """Whoever is signed in.

    Attributes:
        form_secret: for the forms of the session's pages; "" for a token.
        proved_at: when the second factor was last given; None for a token.
        by_provider: whether the account signs in at the side's provider.
    """

    account: str
    roles: tuple[Role, ...]
    scopes: tuple[str, ...] | None
    form_secret: str = ""
    proved_at: float | None = None
    by_provider: bool = False
    schema_version: int = 1


@dataclass(frozen=True)
class SignInProvider:
    """Where else than here people sign in; `label` is "" where nowhere."""

    label: str
    schema_version: int = 1


@dataclass(frozen=True)
class OpeningPage:
    """What the owner of an invitation needs: a secret for the authenticator, also as an address."""

    account: str
    second_factor: str
    address: str
    schema_version: int = 1


@dataclass(frozen=True)
class OpenedAccount:
    """An account that its owner opened, with the recovery codes that are shown this once."""

    account: str
    recovery_codes: tuple[str, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Accounts:
    """All accounts of a side."""

    accounts: tuple[Account, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Sessions:
    """One's own sessions."""

    sessions: tuple[SessionLine, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Tokens:
    """One's own tokens."""

    tokens: tuple[Token, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Ended:
    """Something that was there and is no more."""

    what: str
    schema_version: int = 1


def sign_in(accounts: AccountFile, name: str, password: str, code: str, address: str) -> SignedIn:
    """A session for whoever knows the password and a code.

    Raises:
        NotAllowedError: not-signed-in, or too-many-tries.
    """
    new = sessions.sign_in(accounts, name, password, code, address=address)
    return SignedIn(new.word, new.actor.name, tuple(sorted(new.actor.roles)))


def link_owner(accounts: AccountFile, word: str) -> Me:
    """Whom a sign-in link signs in; it is not used up by asking.

    Raises:
        InputError: not-found; the link is unknown, used or too old.
    """
    return Me(sign_in_links.owner(accounts, word), (), None)


def enter(accounts: AccountFile, word: str, address: str) -> SignedIn:
    """A session by a sign-in link, which is used up.

    Raises:
        InputError: not-found; the link is unknown, used or too old.
    """
    new = sign_in_links.enter(accounts, word, address=address)
    return SignedIn(new.word, new.actor.name, tuple(sorted(new.actor.roles)))


def provider(accounts: AccountFile) -> SignInProvider:
    """The sign-in provider of this side, if it has one.

    Raises:
        InputError: its settings are not valid.
    """
    config = provider_config(accounts.home)
    return SignInProvider("" if config is None else config.label)


def begin_oidc(accounts: AccountFile, fresh: bool = False) -> Attempt:
    """A sign-in at the provider.

    Raises:
        InputError: not-found; there is none. UnreachableError: it does not answer.
    """
    return oidc.begin(accounts, fresh=fresh)


def finish_oidc(accounts: AccountFile, state: str, code: str, browser: str, address: str) -> SignedIn:
    """A session for whoever signed in at the provider.

    Raises:
        NotAllowedError: not-signed-in, or too-many-tries. UnreachableError: it does not answer.
    """
    new = oidc.finish(accounts, state=state, code=code, browser=browser, address=address)
    return SignedIn(new.word, new.actor.name, tuple(sorted(new.actor.roles)))


def opening(accounts: AccountFile, word: str) -> OpeningPage:
    """What the owner of an invitation sees before the account is open.

    Raises:
        InputError: not-found; the invitation is unknown, used or too old.
    """
    found = people.opening(accounts, word)
    address = secrets.authenticator_address(found.second_factor, found.account, "Shadowgraph")
    return OpeningPage(found.account, found.second_factor, address)


def open_account(accounts: AccountFile, word: str, password: str, code: str) -> OpenedAccount:
    """The account of an invitation, opened.

    Raises:
        InputError: as `people.open_account`.
    """
    account = people.opening(accounts, word).account
    opened = OpenedAccount(account, people.open_account(accounts, word, password, code))
    audit_chain.act(accounts.home, "account-opened", account)
    return opened


def me(accounts: AccountFile, actor: Actor, session: sessions.Session | None) -> Me:
    """Whoever is signed in."""
    scopes = None if actor.scopes is None else tuple(sorted(actor.scopes))
    mine = Me(actor.name, tuple(sorted(actor.roles)), scopes)
    if session is None:
        return mine
    return replace(
        mine, form_secret=session.form_secret, proved_at=session.proved_at, by_provider=session.by_provider
    )


def prove(accounts: AccountFile, session: sessions.Session, code: str) -> Ended:
    """Notes a fresh code of the authenticator.

    Raises:
        NotAllowedError: not-signed-in, or too-many-tries.
    """
    sessions.prove_again(accounts, session, code)
    return Ended("the wait for a code")


def sign_out(accounts: AccountFile, session: sessions.Session) -> Ended:
    """The end of this session."""
    sessions.end_session(accounts, session.actor.name, session.number)
    return Ended("this session")


def my_sessions(accounts: AccountFile, actor: Actor) -> Sessions:
    """One's own sessions, the latest first."""
    return Sessions(sessions.sessions_of(accounts, actor.name))


def end_session(accounts: AccountFile, actor: Actor, number: str) -> Ended:
    """The end of one of one's own sessions.

    Raises:
        InputError: not-found.
    """
    sessions.end_session(accounts, actor.name, number)
    return Ended("the session")


def my_tokens(accounts: AccountFile, actor: Actor) -> Tokens:
    """One's own tokens, the latest first."""
    return Tokens(tokens.tokens_of(accounts, actor.name))


def new_token(
    accounts: AccountFile, actor: Actor, title: str, scopes: tuple[str, ...], days: float = 90.0
) -> NewToken:
    """A token of one's own, shown this once.

    Raises:
        InputError: invalid-input; no scope, or days that are too many.
    """
    made = tokens.new_token(accounts, actor, title, scopes, days=days)
    audit_chain.act(accounts.home, "token-made", actor.name, scopes=sorted(scopes), days=int(days))
    return made


def revoke_token(accounts: AccountFile, actor: Actor, number: str) -> Ended:
    """The end of one of one's own tokens.

    Raises:
        InputError: not-found.
    """
    tokens.revoke_token(accounts, actor.name, number)
    audit_chain.act(accounts.home, "token-revoked", actor.name)
    return Ended("the token")


def listed(accounts: AccountFile) -> Accounts:
    """All accounts, by name."""
    return Accounts(people.accounts(accounts))


def invite(accounts: AccountFile, name: str, roles: Sequence[Role], by: str = "") -> Invitation:
    """An invitation to an account, new or to be opened anew.

    Args:
        by: the account that invites; the Unix user of this process, where it is empty.

    Raises:
        InputError: invalid-input; the name or a role is not one.
    """
    made = people.invite(accounts, name, roles, by=by or unix_user())
    audit_chain.act(accounts.home, "account-invited", by, name=name, roles=sorted(roles))
    return made


def give_roles(accounts: AccountFile, name: str, roles: Sequence[Role], by: str = "") -> Account:
    """The account with other roles; its sessions and tokens end.

    Raises:
        InputError: not-found, or invalid-input.
    """
    changed = people.give_roles(accounts, name, roles)
    audit_chain.act(accounts.home, "account-roles", by, name=name, roles=sorted(roles))
    return changed


def disable(accounts: AccountFile, name: str, by: str = "") -> Account:
    """The account, which signs nobody in any more.

    Raises:
        InputError: not-found.
    """
    ended = people.disable(accounts, name)
    audit_chain.act(accounts.home, "account-disabled", by, name=name)
    return ended


_BEFORE_SIGNING_IN = (sign_in, opening, open_account, link_owner, enter, provider, begin_oidc, finish_oidc)
_OWN = (prove, sign_out, my_sessions, end_session, my_tokens, revoke_token)

ACTIONS: Mapping[str, Served] = {
    **{f"accounts.{one.__name__}": Served(one, None) for one in _BEFORE_SIGNING_IN},
    **{f"accounts.{one.__name__}": Served(one, Role.MEMBER) for one in _OWN},
    "accounts.me": Served(me, Role.MEMBER, "read"),
    "accounts.new_token": Served(new_token, Role.MEMBER, fresh=True),
    "accounts.listed": Served(listed, Role.ADMIN),
    **{
        f"accounts.{one.__name__}": Served(one, Role.ADMIN, fresh=True)
        for one in (invite, give_roles, disable)
    },
}
