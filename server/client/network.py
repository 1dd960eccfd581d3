"""A consortium from afar: its sites, its studies as runs, its queries; tables come as data frames."""

import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from protocols.core.errors import Code, InputError, StudyError
from protocols.core.study import Study, read_study, study_of_text
from server.client.http import Api


class Network:
    """A consortium, as its center shows it to one account.

    Example:
        net = Network(Api("https://hub.example.org", token))
        run = net.submit("study.yaml")
        run.wait()["survival"].frame()
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def __repr__(self) -> str:
        return f"Network({self._api.address!r})"

    def sites(self) -> pd.DataFrame:
        """One row per site: enrolled, online, when last seen, the fingerprint of its key."""
        return pd.DataFrame(self._api.get("/sites")["sites"]).set_index("name")

    def check(self, study: Study | str | Path) -> dict[str, Any]:
        """What a study asks, and in words what would leave each site. Nothing is sent to a site.

        Raises:
            InputError: it is not a valid study.
        """
        checked: dict[str, Any] = self._api.post("/studies/check", {"text": _text(study)})
        return checked

    def submit(self, study: Study | str | Path, *, sites: Sequence[str] = ()) -> "Run":
        """The run of a study that was submitted: its file, its text, or itself.

        Raises:
            InputError: it is not a valid study, or on its way already. NotAllowedError: the token may not.
        """
        body = {"text": _text(study), "sites": list(sites)}
        return Run(self._api, self._api.post("/studies", body, once=uuid.uuid4().hex)["run"])

    def studies(self) -> pd.DataFrame:
        """One row per study that this account may see, the newest first."""
        return pd.DataFrame(self._api.get("/studies")["studies"])

    def run(self, reference: str) -> "Run":
        """The run of a study by its run, name or hash.

        Raises:
            InputError: not-found; this account has none of the kind.
        """
        return Run(self._api, self._api.get(f"/studies/{reference}", results=False)["run"])

    def query(self, cohort: str, variables: Sequence[str], *, by: str = "") -> pd.DataFrame:
        """Counts and summaries under the sites' standing approvals, all sites together first.

        Args:
            cohort: DOMAIN:VOCABULARY:CODE, or the text of a cohort's definition.
            variables: `age`, `female`, `male`, `gene:SYMBOL` or `VOCABULARY:CODE` of a measurement.
            by: one of these that has two values, to make two groups.

        Returns:
            One row per site, group and variable; what is too few to be told is `pd.NA`, never 0.

        Raises:
            InputError: a word is not one of these. StudyError: the query failed.
        """
        body = {"cohort": cohort, "variables": list(variables), "by_variable": by}
        run = Run(self._api, self._api.post("/queries", body)["run"])
        run.wait(show=False)
        rows = pd.DataFrame(self._api.get(f"/queries/{run.id}")["rows"])
        return rows.astype({"people": "Int64", "missing": "Int64", "mean": "Float64", "sd": "Float64"})


@dataclass(frozen=True)
class AnalysisResult:
    """What one analysis of a study found.

    Attributes:
        name: as the study calls it.
        protocol: which statistics it is.
        data: everything that it found, as in results.json of the report.
    """

    name: str
    protocol: str
    data: Mapping[str, Any]

    def frame(self) -> pd.DataFrame:
        """Its lists of one length as the columns of a data frame: the longest kind of which there are most.

        Raises:
            InputError: it has no lists; look at `data`.
        """
        lists = {key: value for key, value in self.data.items() if isinstance(value, list) and value}
        flat = {key: value for key, value in lists.items() if not isinstance(value[0], list | dict)}
        lengths = [len(value) for value in flat.values()]
        if not lengths:
            raise InputError(Code.NOT_FOUND, f"{self.name} has no table", "look at `data`")
        length = max(lengths, key=lambda one: (lengths.count(one), one))
        return pd.DataFrame({key: value for key, value in flat.items() if len(value) == length})


class Results(Mapping[str, AnalysisResult]):
    """What a study found, analysis by analysis; one that failed raises its error when it is asked for."""

    def __init__(self, view: Mapping[str, Any]) -> None:
        self._view = view

    def __getitem__(self, name: str) -> AnalysisResult:
        found = self._results[name]
        if "failure" in found:
            raise StudyError(Code(found["failure"]["code"]), found["failure"]["text"])
        return AnalysisResult(name, found["protocol"], found["result"])

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"Results of {self._view['name']!r} ({self._view['state']}): {', '.join(self._results)}"

    @property
    def _results(self) -> Mapping[str, Any]:
        return self._view["results"] or {}


class Run:
    """One run of a study; its id finds it again in another notebook.

    Attributes:
        id: the run.
    """

    def __init__(self, api: Api, run: str) -> None:
        self._api = api
        self.id = run

    def __repr__(self) -> str:
        return f"Run({self.id!r}): {self.state}"

    @property
    def state(self) -> str:
        """Where it stands now."""
        return str(self._view(results=False)["state"])

    def standing(self) -> pd.DataFrame:
        """One row per site: how it stands to the study, and its code where it gave one."""
        return pd.DataFrame(self._view(results=False)["sites"], columns=["site", "state", "code"])

    def events(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """What has happened since event `after`, and what happens now, until the run ends."""
        return self._api.events(f"/studies/{self.id}/events", after)

    def wait(self, *, show: bool = True) -> Results:
        """What it found, once it has ended. To stop waiting does not stop the run.

        Args:
            show: whether to write what happens, one line at a time, to the error stream.

        Raises:
            StudyError: the run failed.
        """
        for event in self.events():
            if show:
                print(f"{event['what']} {event['detail']}".rstrip(), file=sys.stderr)
        return self.results()

    def results(self) -> Results:
        """What it found, if it has ended.

        Raises:
            StudyError: it failed, was withdrawn, or has not ended.
        """
        view = self._view(results=True)
        if view["results"] is None:
            code = Code(view["code"]) if view["code"] else Code.NOT_FOUND
            raise StudyError(code, view["why"] or f"run {self.id} has no result: it is {view['state']}")
        return Results(view)

    def report(self, out: str | Path) -> Path:
        """The path to which its report was written: one HTML page that needs nothing beside it.

        Raises:
            InputError: it has no result.
        """
        path = Path(out)
        path.write_text(self._api.get(f"/studies/{self.id}/report")["html"])
        return path

    def verify(self) -> dict[str, Any]:
        """What the center says after it computed the result again from the kept rounds.

        Raises:
            InputError: tampered; they do not fit each other.
        """
        verified: dict[str, Any] = self._api.get(f"/studies/{self.id}/verify")
        return verified

    def withdraw(self) -> None:
        """Stops it: no further message of it goes out.

        Raises:
            InputError: it ended before.
        """
        self._api.post(f"/studies/{self.id}/withdraw")

    def _view(self, *, results: bool) -> dict[str, Any]:
        view: dict[str, Any] = self._api.get(f"/studies/{self.id}", results=results)
        return view

    @cached_property
    def name(self) -> str:
        """What the study is called."""
        return str(self._view(results=False)["name"])


def _text(study: Study | str | Path) -> str:
    """A study as it crosses the network; one that is not valid is not sent."""
    if isinstance(study, Study):
        return study.canonical().decode()
    text = study if isinstance(study, str) and "\n" in study else None
    checked = study_of_text(text) if text is not None else read_study(Path(study))
    return checked.canonical().decode()
