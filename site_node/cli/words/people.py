"""What people read of accounts."""

from protocols.runtime.accounts import words
from protocols.runtime.accounts.people import Invitation
from protocols.runtime.accounts.words import account, accounts

__all__ = ["account", "accounts", "invitation"]


def invitation(made: Invitation) -> words.Row:
    """The word of an invitation, and what its owner does with it."""
    return words.invitation(
        made,
        "hand the word over by a way that nobody else reads; it opens the account once, at "
        "/invitation/WORD of the site's pages",
    )
