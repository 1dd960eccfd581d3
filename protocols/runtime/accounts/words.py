"""What people read of accounts at the command line of either side."""

from datetime import UTC, datetime
from typing import Any

from protocols.runtime.accounts.actions import Accounts
from protocols.runtime.accounts.people import Account, Invitation

Row = dict[str, Any]


def invitation(made: Invitation, next_step: str) -> Row:
    """The word of an invitation, and what its owner does with it."""
    until = datetime.fromtimestamp(made.expires_at, UTC).date().isoformat()
    return {"account": made.account, "word": made.word, "good until": until, "next": next_step}


def accounts(found: Accounts) -> list[Row]:
    """One row per account."""
    return [account(one) for one in found.accounts]


def account(one: Account) -> Row:
    """An account and how it stands."""
    state = "disabled" if one.disabled_at else "open" if one.is_open else "invited"
    return {"account": one.name, "roles": " ".join(sorted(one.roles)), "state": state, "by": one.created_by}
