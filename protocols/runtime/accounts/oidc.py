"""Signing in at a hospital's own provider: authorization code with PKCE (OpenID Connect Core 3.1, RFC 7636).

The process that holds the accounts asks the provider and judges its token. Pages carry a state and a code,
and could sign nobody in by themselves. No account comes from a provider: an admin invites a name; the first
sign-in under it uses the invitation up and binds the account to the provider's own number of the person.
"""

import base64
import hashlib
import sqlite3
from dataclasses import dataclass

from protocols.core.errors import Code, InputError
from protocols.runtime import audit_chain
from protocols.runtime.accounts import people, secrets
from protocols.runtime.accounts.file import AccountFile, found, roles_of
from protocols.runtime.accounts.provider import SETTINGS, Identity, Provider, provider_config
from protocols.runtime.accounts.roles import NotAllowedError
from protocols.runtime.accounts.sessions import NewSession, new_session
from protocols.runtime.accounts.throttle import note_failure, refuse_if_often
from protocols.runtime.database import insert

ATTEMPT_SECONDS = 600.0


@dataclass(frozen=True)
class Attempt:
    """A sign-in that begins.

    Attributes:
        address: of the provider, where the browser goes.
        browser: a word for a cookie: whoever comes back must be who went.
    """

    address: str
    browser: str
    schema_version: int = 1


def begin(file: AccountFile, *, fresh: bool = False) -> Attempt:
    """A sign-in at the provider, to be finished within ten minutes.

    Args:
        fresh: whether the provider has to ask the person again.

    Raises:
        InputError: not-found; this side has no provider. UnreachableError: it does not answer.
    """
    provider = _provider(file)
    state, nonce, verifier, browser = (secrets.new_word() for _ in range(4))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    address = provider.address(state=state, nonce=nonce, challenge=challenge, fresh=fresh)
    with file.writing() as db:
        db.execute("DELETE FROM oidc_attempt WHERE expires_at <= ?", (file.now(),))
        insert(
            db,
            "oidc_attempt",
            state=secrets.digest(state),
            browser=secrets.digest(browser),
            nonce=nonce,
            verifier=verifier,
            expires_at=file.now() + ATTEMPT_SECONDS,
        )
    return Attempt(address, browser)


def finish(file: AccountFile, *, state: str, code: str, browser: str, address: str) -> NewSession:
    """The session of whoever signed in at the provider.

    Args:
        state, code: as the browser brought them back.
        browser: the word of its cookie.
        address: where the request came from.

    Raises:
        NotAllowedError: not-signed-in; another sign-in's state or browser, no invitation, a disabled account,
            no group with a role here, or a token that is not to be believed. too-many-tries; the address
            failed too often.
        UnreachableError: the provider does not answer.
    """
    with file.writing() as db:
        refuse_if_often(db, file.now(), f"address {address}")
        attempt = db.execute(
            "DELETE FROM oidc_attempt WHERE state = ? AND browser = ? AND expires_at > ? RETURNING *",
            (secrets.digest(state), secrets.digest(browser), file.now()),
        ).fetchone()
    try:
        if attempt is None:
            raise _not_signed_in("this sign-in was begun elsewhere, or more than ten minutes ago")
        provider = _provider(file)
        who = provider.identity(code, verifier=attempt["verifier"], nonce=attempt["nonce"])
        with file.writing() as db:
            row = _account_of(file, db, who)
            before = roles_of(row["roles"])
            roles = provider.config.roles_of(who.groups) if provider.config.roles else before
            if roles != before:
                row = people.set_roles(db, row["name"], roles)
            new = new_session(file, db, row, address, proved_at=who.proved_at) if roles else None
        if roles != before:
            audit_chain.act(file.home, "account-roles", row["name"], name=row["name"], roles=sorted(roles))
        if new is None:  # raised after the commit: sessions and tokens of before have ended
            raise _not_signed_in("no group of this account has a role here")
        return new
    except NotAllowedError:
        with file.writing() as db:
            note_failure(db, file.now(), f"address {address}")
        raise


def _account_of(file: AccountFile, db: sqlite3.Connection, who: Identity) -> sqlite3.Row:
    """The row of the account that is bound to this person, or is bound now by an invitation.

    Raises:
        NotAllowedError: not-signed-in; there is none, or it is disabled.
    """
    row = db.execute("SELECT * FROM account WHERE subject = ?", (who.subject,)).fetchone()
    if row is None:
        invited = db.execute(
            "DELETE FROM invitation WHERE account = ? AND expires_at > ? RETURNING account",
            (who.name, file.now()),
        ).fetchone()
        if invited is None:
            raise _not_signed_in("nobody has invited this account here")
        db.execute("UPDATE account SET subject = ? WHERE name = ?", (who.subject, who.name))
        row = db.execute("SELECT * FROM account WHERE name = ?", (who.name,)).fetchone()
    if row["disabled_at"] is not None:
        raise _not_signed_in("nobody has invited this account here")
    return found(row, "account")


def _provider(file: AccountFile) -> Provider:
    config = provider_config(file.home)
    if config is None:
        raise InputError(Code.NOT_FOUND, "no sign-in provider is set up here", "sign in with a password")
    elsewhere = sorted(frozenset().union(*config.roles.values()) - file.roles)
    if elsewhere:
        known = ", ".join(sorted(file.roles))
        text = f"{SETTINGS} gives roles that an account cannot have here: {', '.join(elsewhere)}"
        raise InputError(Code.INVALID_INPUT, text, f"the roles here: {known}")
    return Provider(config, file.now())


def _not_signed_in(text: str) -> NotAllowedError:
    return NotAllowedError(Code.NOT_SIGNED_IN, text, "ask an admin for an invitation")
