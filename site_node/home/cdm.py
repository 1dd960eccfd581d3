"""The site's own OMOP database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import ArgumentError, OperationalError

from cdm.database import connect, migrate
from cdm.vocabulary.athena import load_seed
from protocols.core.errors import Code, InputError, UnreachableError
from site_node.home.config import SiteConfig


def open_cdm(config: SiteConfig) -> Engine:
    """The engine of the site's database, at the newest schema and with the concepts that the ETL writes.

    Raises:
        InputError: the settings name no database that is supported here.
        UnreachableError: the database does not respond or refuses the login.
    """
    try:
        engine = connect(config.database_url)
        migrate(engine)
        load_seed(engine)
    except (ArgumentError, ModuleNotFoundError, ValueError):
        raise InputError(
            Code.INVALID_INPUT,
            "cannot open the site's database: unsupported URL",
            "write sqlite:///cdm.sqlite or postgresql://ROLE@HOST/NAME as `database` in site.toml; "
            "PostgreSQL needs `pip install 'shadowgraph[postgresql]'`",
        ) from None
    except (OperationalError, OSError):  # its words may hold the address, the role and a line of SQL
        raise UnreachableError(
            Code.SOURCE_UNREACHABLE,
            "the site's database does not answer, or does not let this user in",
            "is it running, is there space, and does the role in site.toml have the right to create tables?",
        ) from None
    return engine


@contextmanager
def opened_cdm(config: SiteConfig) -> Iterator[Engine]:
    """The engine of the site's database, which is closed at the end.

    Raises:
        InputError, UnreachableError: as `open_cdm`.
    """
    engine = open_cdm(config)
    try:
        yield engine
    finally:
        engine.dispose()
