"""The site's own OMOP database."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import ArgumentError, DBAPIError

from cdm.database import connect, migrate
from cdm.vocabulary.athena import load_seed
from protocols.core.errors import Code, InputError, UnreachableError
from site_node.home.config import SiteConfig

_PASSWORD = "put HOST:PORT:DATABASE:ROLE:PASSWORD into ~/.pgpass (mode 0600) of the user who runs Shadowgraph"
_KNOWN = (
    ("password authentication failed", "refuses the password", _PASSWORD),
    ("no password supplied", "asks for a password", _PASSWORD),
    (
        "Connection refused",
        "does not answer: it is not running there",
        "start it, or mend its address in site.toml",
    ),
    ("could not translate host name", "has a host that is not known", "mend the host in site.toml"),
    ("failed to resolve host", "has a host that is not known", "mend the host in site.toml"),
    ('database "', "has no database of that name", "make it: createdb --owner ROLE NAME; or mend site.toml"),
    ('role "', "knows no such role", "make it: createuser ROLE; or mend site.toml"),
    ("no pg_hba.conf entry", "lets nobody in from here", "add a line for this machine to pg_hba.conf"),
    (
        "permission denied",
        "lets this role make no tables",
        "let the role own the database, or its schema public",
    ),
    ("unable to open database file", "is a file that cannot be opened", "look at the rights of its folder"),
    ("disk is full", "has no space left", "make space on its disk"),
)
"""What a database says when it cannot be opened -> what is wrong, and the way out."""


def open_cdm(config: SiteConfig) -> Engine:
    """The engine of the site's database, at the newest schema and with the concepts that the ETL writes.

    Raises:
        InputError: the settings name no database that is supported here.
        UnreachableError: the database does not respond or refuses the login.
    """
    try:
        engine = connect(config.database_url)
        with _closed_after_an_error(engine):
            migrate(engine)
            load_seed(engine)
    except (ArgumentError, ModuleNotFoundError, ValueError):
        raise InputError(
            Code.INVALID_INPUT,
            "cannot open the site's database: unsupported URL",
            "write sqlite:///cdm.sqlite or postgresql://ROLE@HOST/NAME as `database` in site.toml; "
            "PostgreSQL needs `pip install 'shadowgraph[postgresql]'`",
        ) from None
    except (DBAPIError, OSError) as error:
        raise UnreachableError(Code.SOURCE_UNREACHABLE, *_why(str(error))) from None
    return engine


@contextmanager
def _closed_after_an_error(engine: Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


def _why(said: str) -> tuple[str, str]:
    """What is wrong and the way out, without what the database said: it may hold address, role and SQL."""
    for words, text, fix in _KNOWN:
        if words in said:
            return f"the site's database {text}", fix
    return (
        "the site's database does not answer, or does not let this user in",
        "is it running, is there space, and does the role in site.toml have the right to create tables?",
    )


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
