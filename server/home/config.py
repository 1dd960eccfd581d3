"""The center's settings: one TOML file in its own folder, read into a frozen model."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocols.core.errors import Code, InputError
from protocols.core.faults import in_words

SETTINGS = "hub.toml"


class HubConfig(BaseModel):
    """The settings of a consortium's center.

    Attributes:
        consortium: its name, as sites read it.
        address: host:port under which sites reach the center: a reverse proxy's, or the SuperLink's own.
        port: the SuperLink's port on loopback.
        web_port: the port on loopback of the API; 0 serves none.
        metrics_port: the port on loopback of metrics and health; 0 serves none.
        backup_folder: where a backup that a page asks for is written; None where pages make none.
        round_seconds: how long a message may take before it is sent again.
        patience_seconds: how long a run waits for a lost site before it fails.
        studies_at_once: how many studies are in their rounds together; queries never wait for them.
        approval_days: how long a study waits for approvals.
        keep_rounds_days: how long after a run's end its rounds are kept, from which its result can be
            computed again; 0 keeps them for ever.
        renew_after_studies: a Flower run is renewed after so many studies, before its message store grows.
        renew_after_hours: and after so many hours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(default=1, ge=1, le=1)
    consortium: str = Field(min_length=1, max_length=100)
    address: str = Field(pattern=r"^[A-Za-z0-9.:\[\]-]+:[0-9]{1,5}$")
    port: int = Field(default=9443, ge=1, le=65535)
    web_port: int = Field(default=0, ge=0, le=65535)
    metrics_port: int = Field(default=0, ge=0, le=65535)
    backup_folder: Path | None = None
    round_seconds: float = Field(default=90, gt=0)
    patience_seconds: float = Field(default=600, ge=0)
    studies_at_once: int = Field(default=4, ge=1)
    approval_days: float = Field(default=7, gt=0)
    keep_rounds_days: float = Field(default=3650, ge=0)
    renew_after_studies: int = Field(default=200, ge=1)
    renew_after_hours: float = Field(default=24, gt=0)
    home: Path = Field(default=Path("."), exclude=True)

    def write(self) -> None:
        """Writes the settings into the center's folder."""
        lines = []
        for name, value in self.model_dump(mode="json", exclude_none=True).items():
            # JSON's strings and numbers are TOML's.
            lines.append(f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}")
        (self.home / SETTINGS).write_text("\n".join(lines) + "\n")


def load(home: Path) -> HubConfig:
    """The settings of the center that lives in `home`.

    Raises:
        InputError: no settings there, or a key that is unknown or malformed.
    """
    path = home / SETTINGS
    if not path.is_file():
        raise InputError(
            Code.NOT_INITIALISED,
            f"no {SETTINGS} in this folder",
            "name the center's folder by --home or in SHADOWGRAPH_HOME; "
            "a new center: shadowgraph network init --home DIR --name NAME",
        )
    try:
        return HubConfig(**tomllib.loads(path.read_text()), home=home.resolve())
    except ValidationError as error:
        text = f"{SETTINGS} is not valid: {in_words(error.errors())}"
        raise InputError(Code.INVALID_INPUT, text) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(Code.INVALID_INPUT, f"{SETTINGS} is not TOML: {error}") from None
