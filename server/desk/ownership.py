"""Whose a run is: whoever coordinates or audits sees all; to anybody else another's run is not there."""

from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts.roles import Actor, Role
from server.home.owners import Owners
from server.home.store import Store


def sees_all(actor: Actor) -> bool:
    """Whether the account sees everybody's runs."""
    return actor.may(Role.COORDINATOR) or actor.may(Role.AUDITOR)


def own(home: Path, actor: Actor, reference: str) -> str:
    """The run, if it is the account's or the account sees all.

    Raises:
        InputError: not-found; in the same words for what is not there and for what is another's.
    """
    nothing = InputError(Code.NOT_FOUND, "no study of yours has that name, hash or run", "look at the list")
    try:
        run = Store(home).submission(reference).run
    except InputError:
        raise nothing from None
    if not (sees_all(actor) or Owners(home).owns(actor.name, run)):
        raise nothing
    return run
