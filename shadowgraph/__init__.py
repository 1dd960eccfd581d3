"""Shadowgraph for notebooks: `import shadowgraph as sg`.

    net = sg.connect("https://hub.example.org", token="sg_…")     # a consortium, over HTTPS
    net = sg.dummy()                                              # the same calls: hospitals of dummy people
    net = sg.local({"oslo": a, "bergen": b, "tromso": c})         # the same calls: frames of one's own

    glioma = sg.cohort("condition:ICD10CM:C71%").adults().tested("IDH1")
    variables = {"age": sg.age(), "idh1": sg.gene("IDH1"), "os": sg.survival("overall")}
    study = sg.study("idh1", cohort=glioma, variables=variables).cox("survival", "os", ["age", "idh1"])
    net.submit(study).wait()["survival"].summary()

`sg.age`, `sg.gene`, `sg.radiomic`, … make variables, one function for each kind. Nothing of the network is
loaded before it is asked for.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from protocols.core.study import Requester, Study
    from protocols.genomics.summary_statistics import SummaryStatistics
    from server.client.builders import Cohort, StudyBuilder
    from server.client.in_process import InProcess
    from server.client.network import Network
    from server.client.twins import AsyncNetwork

__all__ = [
    *("atlas", "cohort", "connect", "connect_async", "dummy", "local", "read", "requester", "study"),
    *("summary_statistics", "token"),
]

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


def connect_async(address: str, token: str = "", *, root_certificate: str | None = None) -> "AsyncNetwork":
    """The same consortium, whose calls are awaited.

    Raises:
        NotAllowedError: not-signed-in. UnreachableError: nothing answers there.
    """
    from server.client.twins import AsyncNetwork

    return AsyncNetwork(connect(address, token, root_certificate=root_certificate))


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
) -> "InProcess":
    """Data frames of one's own as sites: the same study file, gate and floors on, in this process.

    `blocks` are frames of thousands of genes or features, by site and by the block's name in the study.
    """
    from server.client.in_process import local as sites_of

    return sites_of(frames, blocks)


def dummy(sites: int = 3, *, people: int = 200, seed: int = 1) -> "InProcess":
    """Hospitals of dummy people, drawn for each study so that they meet its cohort; gate and floors on.

    What fails here fails in hospitals for the same reason; the numbers themselves mean nothing.
    """
    from server.client.in_process import dummy as hospitals

    return hospitals(sites, people=people, seed=seed)


def read(path: str | Path) -> "Study":
    """The study of a YAML or JSON file.

    Raises:
        InputError: there is no such file, or it is not a valid study.
    """
    from protocols.core.study import read_study

    return read_study(Path(path))


def cohort(concept: str, *, pick: str = "first") -> "Cohort":
    """People with a record of DOMAIN:VOCABULARY:CODE; its methods add rules.

    Raises:
        InputError: it is not of this form.
    """
    from server.client.builders import cohort as built

    return built(concept, pick=pick)


def atlas(path: str | Path) -> "Cohort":
    """The cohort of a JSON file as ATLAS exports it.

    Raises:
        InputError: there is no such file, or it is not such a cohort.
    """
    from server.client.builders import atlas as built

    return built(path)


def study(name: str, **content: Any) -> "StudyBuilder":
    """A study under way, from `cohort`, `variables`, `purpose` and `requester`; methods add analyses.

    Raises:
        InputError: an analysis does not fit the study.
    """
    from server.client.builders import study as built

    return built(name, **content)


def summary_statistics(
    trait: str,
    table: "pd.DataFrame | Path | str",
    *,
    sd: float | None = None,
    strand: Literal["forward", "unknown"] = "unknown",
) -> "SummaryStatistics":
    """The effects that somebody published of a trait, to be held against a scan (`GwasResult.statistics`).

    Args:
        table: a frame or a file with the columns of the GWAS Catalog's standard.
        sd: standard deviation of a measured trait, in the units of the effects.
        strand: `forward` where the table says so.

    Raises:
        InputError: there is no such file, a column is missing, or p-values are not those of the effects.
    """
    from protocols.genomics.summary_statistics import summary_statistics as read_table

    return read_table(trait, table, sd=sd, strand=strand)


def requester(name: str, institution: str, ethics: str, funding: str = "") -> "Requester":
    """Who asks: the person who answers for the study, where they work, under which vote, and who pays."""
    from protocols.core.study import Requester

    return Requester(name=name, institution=institution, ethics=ethics, funding=funding)


def __getattr__(kind: str) -> Any:
    """The function that makes variables of a kind: `sg.gene("IDH1")`."""
    if kind.startswith("_"):
        raise AttributeError(kind)
    from server.client.builders import variable

    return variable(kind)


def __dir__() -> list[str]:
    from protocols.core.variables import KINDS

    return [*__all__, *KINDS]
