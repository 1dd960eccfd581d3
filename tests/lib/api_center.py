"""A center with its sites in this process, its API on a port, and clients of people with tokens."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.roles import CENTER_ROLES, Role
from protocols.runtime.action_socket import ActionServer, serve
from server.desk.table import ACTIONS, READ, SUBMIT
from server.web.app import make_app
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study
from tests.lib.people_with_accounts import person
from tests.lib.served import served


def text(name: str = "idh1") -> str:
    """A study of that name, as an analyst writes it."""
    return yaml.safe_dump(logistic_study(name).model_dump(mode="json", by_alias=True))


@dataclass
class Center:
    """A center with its sites, and clients of people.

    Attributes:
        address: where the API is.
        tokens: nobody's, then those of the clients after `anybody`, in their order.
    """

    consortium: Consortium
    address: str
    tokens: tuple[str, ...]
    anybody: httpx.Client
    nora: httpx.Client
    reader: httpx.Client
    tove: httpx.Client
    auditor: httpx.Client

    def runs(self, new: Any) -> None:
        """Approves a submitted study everywhere and lets it run to its end."""
        self.consortium.decide(logistic_study(new["name"]), "approved")
        self.consortium.ends(new["run"])


@contextmanager
def center_with_api(folder: Path) -> Iterator[Center]:
    """The center in this folder, until the block ends."""
    consortium = Consortium(folder)
    accounts = AccountFile(consortium.home, CENTER_ROLES)
    with tempfile.TemporaryDirectory() as short:  # a socket's path has 107 bytes at most
        socket = Path(short) / "actions.sock"
        server = ActionServer(socket, accounts, ACTIONS)
        thread = serve(server)
        app = make_app(socket, ("hub.example.org", "127.0.0.1"))
        nora = person(accounts, "nora", Role.ANALYST)
        tokens = [
            "",
            nora.token(accounts, READ, SUBMIT),
            nora.token(accounts, READ),
            person(accounts, "tove", Role.ANALYST).token(accounts, READ, SUBMIT),
            person(accounts, "arne", Role.AUDITOR).token(accounts, READ, SUBMIT),
        ]
        with served(app) as port:
            clients = [_client(port, word) for word in tokens]
            yield Center(consortium, f"http://127.0.0.1:{port}", tuple(tokens), *clients)
            for client in clients:
                client.close()
        server.shutdown()
        server.server_close()
        thread.join()


def _client(port: int, token: str) -> httpx.Client:
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    headers = {"Host": "hub.example.org", **authorization}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, trust_env=False)
