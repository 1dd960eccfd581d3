"""What people read of accounts."""

from datetime import UTC, datetime
from typing import Any

from protocols.runtime.accounts.actions import Accounts
from protocols.runtime.accounts.people import Account, Invitation

Row = dict[str, Any]


def invitation(made: Invitation) -> Row:
    """The word of an invitation, and what its owner does with it."""
    return {
        "account": made.account,
        "word": made.word,
        "good until": _day(made.expires_at),
        "next": "hand the word over by a way that nobody else reads; it opens the account once, at "
        "/invitation of the center, or by `shadowgraph account open`",
    }


def accounts(found: Accounts) -> list[Row]:
    """One row per account."""
    return [account(one) for one in found.accounts]


def account(one: Account) -> Row:
    """An account and how it stands."""
    state = "disabled" if one.disabled_at else "open" if one.is_open else "invited"
    return {"account": one.name, "roles": " ".join(sorted(one.roles)), "state": state, "by": one.created_by}


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
