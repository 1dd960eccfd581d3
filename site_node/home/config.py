"""A site's settings: one TOML file in the site's own folder, read into a frozen model."""

import secrets
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cdm.etl.profile import Profile
from protocols.core.errors import Code, InputError
from protocols.core.faults import in_words

SETTINGS = "site.toml"


class SiteConfig(BaseModel):
    """The settings of one site; relative paths are relative to `home`.

    Attributes:
        web_port: the port on loopback of the pages; 0 serves none.
        metrics_port: the port on loopback of metrics and health; 0 serves none.
        web_hosts: the names under which people reach the pages, behind the hospital's proxy.
        load_folders: the folders from which a page may load files.
        backup_folder: where a backup that a page asks for is written; None where pages make none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")
    database: str = "sqlite:///cdm.sqlite"
    runtime_port: int = Field(default=9094, ge=1, le=65535)
    web_port: int = Field(default=0, ge=0, le=65535)
    metrics_port: int = Field(default=0, ge=0, le=65535)
    web_hosts: tuple[str, ...] = ()
    load_folders: tuple[Path, ...] = ()
    backup_folder: Path | None = None
    mapping: Profile = Profile()
    home: Path = Field(default=Path("."), exclude=True)

    @property
    def database_url(self) -> str:
        """The database's URL, with a relative SQLite path laid into the site's folder."""
        prefix = "sqlite:///"
        if self.database.startswith(prefix) and not self.database.startswith(prefix + "/"):
            return prefix + str(self.home / self.database.removeprefix(prefix))
        return self.database

    def pseudonym_key(self) -> bytes:
        """The 32 secret bytes behind every person_id of this site; made once, never leaves `home/keys`."""
        path = self.home / "keys" / "pseudonym.key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            path.write_bytes(secrets.token_bytes(32))
        return path.read_bytes()


def load(home: Path) -> SiteConfig:
    """The settings of the site that lives in `home`.

    Raises:
        InputError: no settings there, or a key that is unknown or malformed.
    """
    path = home / SETTINGS
    if not path.is_file():
        raise InputError(
            Code.NOT_INITIALISED,
            f"no {SETTINGS} in this folder",
            "name the site's folder by --home or in SHADOWGRAPH_HOME; "
            "a new site: shadowgraph site init --home DIR --name NAME",
        )
    try:
        return SiteConfig(**tomllib.loads(path.read_text()), home=home.resolve())
    except ValidationError as error:
        text = f"{SETTINGS} is not valid: {in_words(error.errors())}"
        raise InputError(Code.INVALID_INPUT, text) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(Code.INVALID_INPUT, f"{SETTINGS} is not TOML: {error}") from None
