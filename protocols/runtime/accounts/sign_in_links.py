"""A link that signs its owner in once: for whoever sits at the machine, who could open any account there."""

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts import secrets
from protocols.runtime.accounts.file import AccountFile, found
from protocols.runtime.accounts.sessions import NewSession, new_session
from protocols.runtime.database import insert

LINK_SECONDS = 3600.0


def sign_in_link(file: AccountFile, name: str) -> str:
    """The word of a link `…/enter/WORD` that makes one session of an open account within an hour.

    Whatever needs a fresh second factor asks for a code in that session: the link alone decides nothing.

    Raises:
        InputError: not-found; there is no open account of that name.
    """
    word = secrets.new_word()
    with file.writing() as db:
        row = db.execute(
            "SELECT name FROM account WHERE name = ? AND password IS NOT NULL AND disabled_at IS NULL",
            (name,),
        ).fetchone()
        found(row, "open account")
        expires_at = file.now() + LINK_SECONDS
        insert(db, "sign_in_link", digest=secrets.digest(word), account=name, expires_at=expires_at)
    return word


def owner(file: AccountFile, word: str) -> str:
    """The account that a link signs in.

    Raises:
        InputError: not-found; the link is unknown, used or too old.
    """
    with file.reading() as db:
        row = db.execute(
            "SELECT account FROM sign_in_link WHERE digest = ? AND expires_at > ?",
            (secrets.digest(word), file.now()),
        ).fetchone()
    return str(found(row, "sign-in link: it was used, or is older than an hour")["account"])


def enter(file: AccountFile, word: str, *, address: str) -> NewSession:
    """A session of a link's account; the link is used up.

    Raises:
        InputError: not-found; the link is unknown, used or too old, or its account is disabled.
    """
    with file.writing() as db:
        row = db.execute(
            "DELETE FROM sign_in_link WHERE digest = ? AND expires_at > ? RETURNING account",
            (secrets.digest(word), file.now()),
        ).fetchone()
        name = found(row, "sign-in link: it was used, or is older than an hour")["account"]
        account = db.execute(
            "SELECT * FROM account WHERE name = ? AND disabled_at IS NULL", (name,)
        ).fetchone()
        if account is None:
            raise InputError(Code.NOT_FOUND, "there is no such account")
        return new_session(file, db, account, address, proved_at=0.0)
