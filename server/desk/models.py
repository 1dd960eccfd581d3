"""What an account may do with models: released ones are for all, drafts for who may see their run."""

from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime.accounts.roles import Actor
from server.desk.ownership import own, sees_all
from server.home.owners import Owners
from server.registry import models
from server.registry.models import Model, ModelFile, Models


def listed(home: Path, actor: Actor) -> Models:
    """The models that the account may see, the newest first."""
    mine = Owners(home).runs_of(actor.name)
    found = models.listed(home).models
    return Models(tuple(one for one in found if _may_see(one, actor, mine)))


def shown(home: Path, actor: Actor, number: int) -> Model:
    """One model.

    Raises:
        InputError: not-found; in the same words for what is not there and for what is another's.
    """
    for one in listed(home, actor).models:
        if one.number == number:
            return one
    raise InputError(Code.NOT_FOUND, f"there is no model {number}", "look at the list")


def register(home: Path, actor: Actor, reference: str, analysis: str, title: str = "") -> Model:
    """A draft of an analysis of the account's run.

    Raises:
        InputError: not-found, or the analysis is no model.
    """
    return models.register(home, own(home, actor, reference), analysis, title=title, by=actor.name)


def release(home: Path, actor: Actor, number: int, note: str = "") -> Model:
    """The model, which one more person lets leave the center.

    Raises:
        InputError: as `models.release`.
    """
    return models.release(home, number, note=note, by=actor.name)


def withdraw(home: Path, actor: Actor, number: int, note: str = "") -> Model:
    """The model, of which no file is given out any more.

    Raises:
        InputError: as `models.withdraw`.
    """
    return models.withdraw(home, number, note=note, by=actor.name)


def file_of(home: Path, actor: Actor, number: int) -> ModelFile:
    """A released model as a signed file.

    Raises:
        InputError: not-found, or it is not released.
    """
    shown(home, actor, number)
    return models.file_of(home, number)


def _may_see(one: Model, actor: Actor, mine: frozenset[str]) -> bool:
    return one.state == "released" or sees_all(actor) or one.card.run in mine
