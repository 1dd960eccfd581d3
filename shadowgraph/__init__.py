"""Shadowgraph for notebooks: `import shadowgraph as sg`.

    net = sg.connect("https://hub.example.org", token="sg_…")
    run = net.submit("study.yaml")
    result = run.wait()
    result["survival"].frame()

    sg.local({"oslo": frame1, "bergen": frame2, "tromso": frame3}).run("study.yaml")["survival"].summary()

Nothing of the network is loaded before it is asked for.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from protocols.core.study import Study
    from server.client.local import LocalNetwork
    from server.client.network import Network

__all__ = ["connect", "local", "read", "token"]

TOKEN = "SHADOWGRAPH_TOKEN"


def connect(address: str, token: str = "", *, root_certificate: str | None = None) -> "Network":
    """The consortium whose center is at an address.

    Args:
        address: `https://hub.example.org`.
        token: as the center showed it once; the environment's SHADOWGRAPH_TOKEN where it is left out.
        root_certificate: PEM file of the authority behind the center's certificate, if it is no public one.

    Raises:
        NotAllowedError: not-signed-in; the token is none here, or not any more.
        UnreachableError: nothing answers there.
    """
    from server.client.http import Api
    from server.client.network import Network

    api = Api(address, token or os.environ.get(TOKEN, ""), root_certificate)
    api.get("/me")
    return Network(api)


def token(
    address: str, account: str, password: str, code: str, *, title: str = "notebook", days: float = 90
) -> str:
    """A new token of an account, which is shown this once: keep it as you keep a password.

    Args:
        code: what the authenticator shows now, or a recovery code.
        title: what the list of your tokens calls it.

    Raises:
        NotAllowedError: not-signed-in; name, password or code is not right.
    """
    from server.client.http import Api

    wish = {"account": account, "password": password, "code": code, "title": title, "days": days}
    return str(Api(address, "").post("/tokens", wish)["word"])


def local(
    frames: "Mapping[str, pd.DataFrame]", blocks: "Mapping[str, Mapping[str, pd.DataFrame]] | None" = None
) -> "LocalNetwork":
    """Data frames of one's own as sites: the same study file, gate and floors on, in this process.

    `blocks` are frames of thousands of genes or features, by site and by the block's name in the study.
    """
    from server.client.local import local as sites_of

    return sites_of(frames, blocks)


def read(path: str | Path) -> "Study":
    """The study of a YAML or JSON file.

    Raises:
        InputError: there is no such file, or it is not a valid study.
    """
    from protocols.core.study import read_study

    return read_study(Path(path))
