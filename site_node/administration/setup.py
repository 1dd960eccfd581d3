"""How a site's folder comes to be."""

from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.runtime.daemons import free_port
from site_node.home.config import SETTINGS, SiteConfig, load


def make_site(
    home: Path,
    name: str,
    *,
    database: str = "sqlite:///cdm.sqlite",
    runtime_port: int = 9094,
    web_port: int | None = 0,
) -> SiteConfig:
    """The settings of a new site in `home`.

    Args:
        home: the site's folder; made where it does not exist.
        name: the site's name in the consortium.
        database: the URL of its CDM; a relative SQLite path lies in the folder.
        runtime_port: where SuperNode and agent meet on loopback; 0 picks a free one.
        web_port: where the pages are served on loopback; 0 serves none, None picks a free one.

    Raises:
        InputError: there is a site already, or the name is not one.
    """
    if (home / SETTINGS).exists():
        raise InputError(Code.ALREADY_EXISTS, "there is a site in this folder already")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)  # what was there before may have been open to others; patients' rows will lie in it
    lines = [
        "schema_version = 1",
        f'name = "{name}"',
        f'database = "{database}"',
        f"runtime_port = {runtime_port or free_port()}",
        f"web_port = {free_port() if web_port is None else web_port}",
    ]
    (home / SETTINGS).write_text("\n".join(lines) + "\n")
    try:
        return load(home)
    except InputError:
        (home / SETTINGS).unlink()
        raise
