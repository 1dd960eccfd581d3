"""A consortium of real processes on this machine: a center and sites, always stopped again."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cdm.cohorts.cohort import CohortDefinition, Event
from protocols.core.study import Analysis, Study
from protocols.regression.logistic import LogisticSpec
from protocols.runtime import daemons
from server.administration import enrolment as center_enrolment
from server.administration import processes as center_processes
from server.coordination.submission import submit
from server.home.store import Store
from server.home.submissions import Submission
from site_node.administration import enrolment as site_enrolment
from site_node.administration.setup import make_site
from site_node.governance import approvals, proposed
from tests.lib.founding import confirm_each_other
from tests.lib.studies import REQUESTER

AGENT = Path(__file__).with_name("table_agent.py")
SUPERVISE = Path(__file__).with_name("supervise_site.py")


def logistic_study(name: str = "idh1", *, min_sites: int = 3) -> Study:
    """A study of one logistic model on the columns of `table_agent`."""
    return Study(
        name=name,
        title="IDH1 by age, sex and two markers",
        requester=REQUESTER,
        cohort=CohortDefinition(index=Event(domain="condition", concept="ICD10CM:C71%")),
        variables={
            "age": {"kind": "age"},
            "sex": {"kind": "sex", "is": "female"},
            "marker_a": {"kind": "measurement", "concept": "LOINC:1-1"},
            "marker_b": {"kind": "measurement", "concept": "LOINC:1-2"},
            "idh1": {"kind": "gene", "gene": "IDH1"},
        },
        analyses=(
            Analysis(
                name="idh1",
                spec=LogisticSpec(outcome="idh1", covariates=("age", "sex", "marker_a", "marker_b")),
            ),
        ),
        min_sites=min_sites,
    )


@dataclass
class Federation:
    """One center and its sites.

    Attributes:
        home: the folder of the center; the sites' folders by name.
    """

    home: Path
    sites: dict[str, Path]
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The center's store."""
        return Store(self.home)

    def launch_site(self, name: str, *, fault: str = "", stock: bool = False) -> None:
        """Starts a site's processes; `fault` makes its agent fail in that way."""
        home = self.sites[name]
        words = (sys.executable, str(SUPERVISE), str(home), fault, "stock" if stock else "")
        daemons.launch(home / "run", words)

    def stop_site(self, name: str) -> None:
        """Stops a site's processes."""
        daemons.stop(self.sites[name] / "run")

    def kill_site(self, name: str) -> None:
        """Kills a site's processes, supervisor first, as a power cut would."""
        folder = self.sites[name] / "run"
        pids = [daemons.supervisor_pid(folder)]
        pids += [service["pid"] for service in daemons.services(folder).values()]
        subprocess.run(["kill", "-9", *(str(pid) for pid in pids if pid)], check=True)

    def propose(self, study: Study, **options: float) -> Submission:
        """Submits a study."""
        return submit(self.home, study, **options)

    def approve(self, study: Study, *names: str) -> None:
        """Approves a study at these sites, as soon as it is in their inbox; at all where none is named."""
        for name in names or tuple(self.sites):
            until(lambda name=name: _is_in_inbox(self.sites[name], study), 150)
            approvals.decide(self.sites[name], study, approvals.State.APPROVED, by="test")

    def ended(self, submission: Submission, within: float = 180) -> Submission:
        """The submission when it has ended."""
        until(lambda: self.store.submission(submission.run).ended_at is not None, within)
        return self.store.submission(submission.run)


def _is_in_inbox(home: Path, study: Study) -> bool:
    return any(one.hash == study.hash() for one in proposed.inbox(home))


def until(holds: Callable[[], bool], within: float) -> None:
    """Returns when the condition holds. Raises TimeoutError when it does not in that many seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within} s")
        time.sleep(0.1)  # another process is awaited, there is no event to wait for


def founded(folder: Path, names: tuple[str, ...], **settings: float | str) -> Federation:
    """A consortium in a folder: a center, its sites enrolled, nothing started."""
    home = folder / "center"
    made = center_enrolment.make_center(home, "Test Consortium", port=0)
    made.model_copy(update=settings).write()
    sites = {}
    for name in names:
        sites[name] = folder / name
        make_site(sites[name], name, runtime_port=0)
        invitation, answer = folder / f"{name}.invitation", folder / f"{name}.enrolment"
        center_enrolment.invite(home, name).write(invitation)
        site_enrolment.join(sites[name], invitation).write(answer)
        center_enrolment.enrol(home, answer)
    confirm_each_other(home, sites, folder)
    return Federation(home, sites)


@contextmanager
def started(federation: Federation) -> Iterator[Federation]:
    """The consortium with all its processes; whatever happens, they are gone afterwards."""
    home = federation.home
    try:
        begun = time.monotonic()
        center = daemons.launch(home / "run", center_processes.supervisor(home))
        until((home / "state" / center_processes.REGISTERED).exists, 90)
        for name in federation.sites:
            federation.launch_site(name)
        daemons.wait_until_ready(home / "run", center)
        federation.seconds["center"] = time.monotonic() - begun
        until(lambda: _all_online(federation), 90)
        federation.seconds["all"] = time.monotonic() - begun
        yield federation
    finally:
        begun = time.monotonic()
        with ThreadPoolExecutor(len(federation.sites)) as threads:
            list(threads.map(federation.stop_site, federation.sites))
        daemons.stop(home / "run")
        federation.seconds["stop"] = time.monotonic() - begun


def _all_online(federation: Federation) -> bool:
    return all(site.seen_at is not None for site in federation.store.sites())
