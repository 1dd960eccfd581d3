"""What the administrator of a site's machine can do with its accounts: the first admin comes from here."""

from collections.abc import Sequence
from pathlib import Path

from protocols.runtime.accounts import actions
from protocols.runtime.accounts.actions import Accounts
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.people import Account, Invitation
from protocols.runtime.accounts.roles import SITE_ROLES, Role
from site_node.home.config import load


def invite(home: Path, name: str, roles: Sequence[Role], *, by: str = "") -> Invitation:
    """An invitation to an account, new or to be opened anew.

    Raises:
        InputError: there is no site in `home`, or the name or a role is not one.
    """
    return actions.invite(_file(home), name, roles, by)


def accounts(home: Path) -> Accounts:
    """All accounts of the site, by name.

    Raises:
        InputError: there is no site in `home`.
    """
    return actions.listed(_file(home))


def give_roles(home: Path, name: str, roles: Sequence[Role], *, by: str = "") -> Account:
    """The account with other roles; its sessions and tokens end.

    Raises:
        InputError: there is no such account, or a role is not one.
    """
    return actions.give_roles(_file(home), name, roles, by)


def disable(home: Path, name: str, *, by: str = "") -> Account:
    """The account, which signs nobody in any more.

    Raises:
        InputError: there is no such account.
    """
    return actions.disable(_file(home), name, by)


def _file(home: Path) -> AccountFile:
    return AccountFile(load(home).home, SITE_ROLES)
