"""What an upgrade of a site has to know."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from cdm.database import connect, migrate, revisions
from protocols.runtime.accounts import file as accounts
from protocols.runtime.checks import Check
from protocols.runtime.upgrades import More, Side, StoreVersion
from site_node.administration.backup import back_up, database_inside
from site_node.administration.processes import RUN
from site_node.home import job_file, register
from site_node.home.config import SiteConfig, load

_CDM = "CDM"


def side(home: Path) -> Side:
    """The site in `home`.

    Raises:
        InputError: there is none, or its settings are not valid.
    """
    settings = load(home)
    home, inside = settings.home, database_inside(settings)
    return Side(
        home=home,
        kind="site",
        run=home / RUN,
        stores={
            register.FILE: register.STEPS,
            accounts.FILE: accounts.STEPS,
            job_file.FILE: job_file.STEPS,
        },
        back_up=lambda archive: back_up(home, archive),
        checks=lambda: _elsewhere(settings),
        more=(
            More(lambda: _version(settings), lambda: _migrate(settings), home / inside if inside else None),
        ),
    )


def _version(settings: SiteConfig) -> StoreVersion:
    engine = connect(settings.database_url)
    try:
        return StoreVersion(_CDM, *revisions(engine))
    except (SQLAlchemyError, OSError):  # their words may hold the address and the role
        return StoreVersion(_CDM, "not reached", "")
    finally:
        engine.dispose()


def _migrate(settings: SiteConfig) -> None:
    engine = connect(settings.database_url)
    try:
        migrate(engine)
    finally:
        engine.dispose()


def _elsewhere(settings: SiteConfig) -> Iterator[Check]:
    """A CDM that is not in the folder is in no backup of ours."""
    reached = _version(settings).newest != ""
    fix = "start the database, and look at `database` in site.toml"
    yield Check("database", "answers" if reached else "does not answer", reached, fix)
    if database_inside(settings) is None:
        dump = "pg_dump it before, by the database's own means; each change of it is one transaction"
        yield Check("CDM elsewhere", "not in the backup", False, dump, is_required=False)
