"""A consortium from afar: its sites, its studies as runs, its queries; answers come as frames and objects."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from protocols.core.errors import Code, StudyError
from protocols.core.study import Study, parse_study
from server.client.builders import AnyStudy, Cohort, as_study
from server.client.frames import TYPES, Preflight, attrition_frame
from server.client.http import Api
from server.client.progress import shown_progress
from server.client.results import Results


class Network:
    """A consortium, as its center shows it to one account.

    Example:
        net = Network(Api("https://hub.example.org", token))
        run = net.submit("study.yaml")
        run.wait()["survival"].summary()
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    def __repr__(self) -> str:
        return f"Network({self._api.address!r})"

    def sites(self) -> pd.DataFrame:
        """One row per site: enrolled, online, when last seen, the fingerprint of its key."""
        return pd.DataFrame(self._api.get("/sites")["sites"]).set_index("name")

    def check(self, study: AnyStudy) -> dict[str, Any]:
        """What a study asks, what would leave each site in words, and what in it could not work.

        Nothing is sent to a site.

        Raises:
            InputError: it is not a valid study.
        """
        checked: dict[str, Any] = self._api.post("/studies/check", {"text": _text(as_study(study))})
        return checked

    def preflight(self, study: AnyStudy) -> Preflight:
        """How many people each site has for a study, in bands, and which sites would refuse it, and why.

        Sites are asked under their standing approvals; nothing is signed of the study itself.

        Raises:
            InputError: it is not a valid study.
        """
        body = {"text": _text(as_study(study))}
        asked = self._api.post("/studies/preflight", body)
        if asked["run"]:
            Run(self._api, asked["run"]).wait_silently()
        return Preflight(self._api.post("/studies/preflight/answer", body))

    def submit(self, study: AnyStudy, *, sites: Sequence[str] = ()) -> "Run":
        """The run of a study that was submitted: itself, one under way, its file, or its text.

        Raises:
            InputError: it is not a valid study, or on its way already. NotAllowedError: the token may not.
        """
        body = {"text": _text(as_study(study)), "sites": list(sites)}
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

    def query(self, cohort: str | Cohort, variables: Sequence[str], *, by: str = "") -> pd.DataFrame:
        """Counts and summaries under the sites' standing approvals, all sites together first.

        Args:
            cohort: DOMAIN:VOCABULARY:CODE, the text of a cohort's definition, or one that was built.
            variables: `age`, `female`, `male`, `gene:SYMBOL` or `VOCABULARY:CODE` of a measurement.
            by: one of these that has two values, to make two groups.

        Returns:
            One row per site, group and variable; what is too few to be told is `pd.NA`, never 0.

        Raises:
            InputError: a word is not one of these. StudyError: the query failed.
        """
        body = {"cohort": str(cohort), "variables": list(variables), "by_variable": by}
        run = Run(self._api, self._api.post("/queries", body)["run"])
        run.wait_silently()
        return pd.DataFrame(self._api.get(f"/queries/{run.id}")["rows"]).astype(TYPES)

    def attrition(self, cohort: str | Cohort) -> pd.DataFrame:
        """People left after each rule of a cohort under the standing approvals, one column per site.

        Raises:
            InputError: it is not a cohort. StudyError: the query failed.
        """
        run = Run(self._api, self._api.post("/attritions", {"cohort": str(cohort)})["run"])
        return attrition_frame(run.wait(show=False))


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
        return str(self._view()["state"])

    @cached_property
    def name(self) -> str:
        """What the study is called."""
        return str(self._view()["name"])

    @cached_property
    def study(self) -> Study:
        """The study, as it was signed."""
        return parse_study(self._api.get(f"/studies/{self.id}/file")["text"].encode())

    def standing(self) -> pd.DataFrame:
        """One row per site: how it stands to the study, its code where it gave one, and what that means."""
        return pd.DataFrame(self._view()["sites"], columns=["site", "state", "code", "why"])

    def events(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """What has happened since event `after`, and what happens now, until the run ends."""
        return self._api.events(f"/studies/{self.id}/events", after)

    def wait(self, *, show: bool = True) -> Results:
        """What it found, once it has ended. To stop waiting does not stop the run.

        Args:
            show: whether to draw its phase, its rounds and who is waited for, on the error stream.

        Raises:
            StudyError: the run failed.
        """
        if show:
            shown_progress(self.events(), self.name)
        else:
            self.wait_silently()
        return self.results()

    def wait_silently(self) -> None:
        """Returns once it has ended, however."""
        for _ in self.events():
            pass

    def results(self) -> Results:
        """What it found, if it has ended.

        Raises:
            StudyError: it failed, was withdrawn, or has not ended.
        """
        view = self._view(results=True)
        if view["results"] is None:
            code = Code(view["code"]) if view["code"] else Code.NOT_FOUND
            raise StudyError(code, view["why"] or f"run {self.id} has no result: it is {view['state']}")
        return Results.read(self.study, view["results"])

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

    def begin(self) -> None:
        """Waits for no further approval: it begins with the sites that have approved, if they are enough.

        Raises:
            InputError: it has begun or ended, or too few have approved.
        """
        self._api.post(f"/studies/{self.id}/begin")

    def withdraw(self) -> None:
        """Stops it: no further message of it goes out.

        Raises:
            InputError: it ended before.
        """
        self._api.post(f"/studies/{self.id}/withdraw")

    def _view(self, *, results: bool = False) -> Mapping[str, Any]:
        view: Mapping[str, Any] = self._api.get(f"/studies/{self.id}", results=results)
        return view


def _text(study: Study) -> str:
    """A study as it crosses the network."""
    return study.canonical().decode()
