"""Flower's own command line, loaded once into this process: to register keys, to start and stop a run.

A fresh `flwr` process costs two seconds of imports a command. The entry point and the words of its commands
are what Flower documents; nothing else of it is touched here.
"""

import contextlib
import importlib.metadata
import io
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import click

from protocols.core.errors import Code, UnreachableError
from server.home.config import HubConfig
from server.home.identity import KEYS

CONNECTION = "hub"


class FlowerCommands:
    """Flower's commands against one center's SuperLink."""

    def __init__(self, settings: HubConfig) -> None:
        folder = settings.home / "run" / "cli"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
            f'address = "127.0.0.1:{settings.port}"\n'
            f'root-certificates = "{settings.home / KEYS / "ca.pem"}"\n'
        )
        os.environ["FLWR_HOME"] = str(folder)
        (entry,) = importlib.metadata.entry_points(group="console_scripts", name="flwr")
        self._app = entry.load()

    def __call__(self, *words: str) -> dict[str, Any]:
        """What a command says, as Flower's own JSON.

        Raises:
            UnreachableError: it failed; the text is Flower's, which names no person.
        """
        reason = ""
        with _stdout() as said:
            try:
                self._app([*words, "--format", "json"], standalone_mode=False)
            except click.ClickException as error:
                reason = error.message
            except (click.exceptions.Exit, SystemExit):
                reason = "it left"
        found = _json(said.getvalue())
        if not found.get("success"):
            reason = str(found.get("error-message", reason)).strip().splitlines()[-1]
            raise UnreachableError(Code.CENTER_FAILED, f"flwr {words[0]} failed: {reason}")
        return found


@contextlib.contextmanager
def _stdout() -> Iterator[io.StringIO]:
    """What is printed meanwhile; Flower prints its JSON past `sys.stdout`, and sets that anew."""
    kept = sys.stdout, sys.stderr, sys.__stdout__
    said = io.StringIO()
    sys.stdout, sys.__stdout__ = said, said  # type: ignore[misc,assignment]
    try:
        yield said
    finally:
        sys.stdout, sys.stderr, sys.__stdout__ = kept  # type: ignore[misc]


def _json(said: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(said[said.index("{") : said.rindex("}") + 1])
    except ValueError:
        return {}
    return found
