"""Flower's own command line, loaded once into this process: to register keys, to start and stop a run.

A fresh `flwr` process costs two seconds of imports per command. The entry point and the words of its commands
are what Flower documents; the one private name met here is the client of operators, which shows our secret.
"""

import contextlib
import importlib
import importlib.metadata
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from protocols.core.errors import Code, UnreachableError
from server.administration.superlink import HEADER
from server.home.config import HubConfig
from server.home.identity import KEYS

CONNECTION = "hub"
CLIENT = "flwr.supercore.control"


@dataclass(frozen=True)
class Operator:
    """Shows the center's secret with each request; what Flower calls an interceptor."""

    secret: bytes = field(repr=False)

    def intercept(self, context: Any, call_next: Callable[[Any], Any]) -> Any:
        """The response to a request that bears the secret."""
        context.request.headers[HEADER.decode()] = self.secret.hex()
        return call_next(context)


class FlowerCommands:
    """Flower's commands against one center's SuperLink, as its operator."""

    def __init__(self, settings: HubConfig) -> None:
        folder = settings.home / "run" / "cli"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "config.toml").write_text(
            f'[superlink]\ndefault = "{CONNECTION}"\n\n[superlink.{CONNECTION}]\n'
            f'address = "127.0.0.1:{settings.port}"\n'
            f'root-certificates = "{settings.home / KEYS / "ca.pem"}"\n'
        )
        os.environ["FLWR_HOME"] = str(folder)
        self._operator = Operator((settings.home / KEYS / "runtime.secret").read_bytes())
        (entry,) = importlib.metadata.entry_points(group="console_scripts", name="flwr")
        self._app = entry.load()

    def __call__(self, *words: str) -> dict[str, Any]:
        """What a command says, as Flower's own JSON.

        Raises:
            UnreachableError: it failed; the text is Flower's, which names no person.
        """
        reason = ""
        with _as_operator(self._operator), _stdout() as said:
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
def _as_operator(operator: Operator) -> Iterator[None]:
    """Lets Flower's clients for operators show the secret meanwhile."""
    client = importlib.import_module(CLIENT).ControlHttpClient
    made = client.__init__

    def shows_it(self: object, base_url: str, *, interceptors: Sequence[Any] = (), **more: Any) -> None:
        made(self, base_url, interceptors=(*interceptors, operator), **more)

    client.__init__ = shows_it
    try:
        yield
    finally:
        client.__init__ = made


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
