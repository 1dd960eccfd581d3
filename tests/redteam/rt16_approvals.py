"""RT16 to RT18, RT33, RT34, RT61: a coordinator is answered though nobody at the site said yes to this."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from protocols.core.disclosure import Release, Thresholds
from protocols.core.errors import Code
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange import coordination, site_answer
from protocols.exchange.coordination import StudyCoordination
from protocols.exchange.site_answer import Shared, answer
from site_node.agent import admission, agent
from site_node.governance import approvals, clock, ledger, proposed
from site_node.governance.approvals import Approval, State
from site_node.governance.policy import Policy, changed
from tests.lib.attacked_site import HERE, AttackedSite
from tests.lib.lying_coordinator import weaken
from tests.lib.sites import a_round
from tests.lib.studies import a_study
from tests.redteam.attack import Figure, attack


def _first(study: Study) -> tuple[Ask, ...]:
    return StudyCoordination(study).asks or ()


def _answers(said: object) -> int:
    """How many answers with numbers there are among what a site said."""
    return sum(not isinstance(answer, Code) for answer in said) if isinstance(said, tuple) else 0


def _always_approved(home: Path, study: str) -> tuple[Study, Approval]:
    """What a site would look up that holds every study that it has seen for approved."""
    found, approval = _proposed(home, study)
    return found, replace(approval, state=State.APPROVED, max_runs=99)


_proposed = approvals.proposed


@attack("RT16", "an approved study with one byte changed, and a protocol that nobody approved", works_from=2)
def changed_study(folder: Path, weakened: bool) -> Figure:
    site, approved = AttackedSite(folder), a_study()
    site.approve(approved)
    got = 0
    with weaken(approvals, "proposed", _always_approved, weakened):
        for study in (a_study(title="Mean agf"), a_study(analyses=[{"name": "q", "spec": _QUANTILES}])):
            site.propose(study)
            got += _answers(site.ask(study, *_first(study)))
            site.restart()
    return Figure(got, "of 2 studies answered")


_QUANTILES = {"protocol": "quantiles", "of": [{"variable": "age", "low": 0, "high": 100, "resolution": 1}]}


@attack(
    "RT16", "what was approved for a sum is asked of one site in the clear, or by another step", works_from=2
)
def beyond_the_steps(folder: Path, weakened: bool) -> Figure:
    site, study = AttackedSite(folder, obedient=True), a_study()
    site.approve(study)
    (sums,) = _first(study)
    shown = np.ones((1, 1), dtype=np.int64)
    of_all = {"mean": np.zeros((1, 1)), "scale": np.ones((1, 1)), "shown": shown}
    for_a_sum = replace(sums, step="deviations", per_site=True, arrays=of_all)  # `counts` has bands beside it
    with weaken(site_answer, "_check_way", lambda *_: None, weakened):
        said = site.ask(study, for_a_sum, replace(HERE, analysis=sums.analysis))
    return Figure(_answers(said), "of 2 questions answered")


@attack(
    "RT17",
    "a study is run again after its runs are spent, after it has expired, and under parts of its name",
    works_from=3,
)
def replayed(folder: Path, weakened: bool) -> Figure:
    site, study = AttackedSite(folder), a_study()
    site.approve(study, max_runs=1)
    site.ask(study, *_first(study))
    got = 0
    with weaken(approvals, "proposed", _by_any_name, weakened):
        for run in ("r2", "r3"):
            site.restart()
            got += _answers(site.ask(study, *_first(study), run=run))
        expired = a_study(title="Expired")
        site.approve(expired, days=-1)
        got += _answers(site.ask(expired, *_first(expired)))
        for alias in (study.hash()[:8], study.hash()[:63]):
            site.restart()
            site.center.studies[alias] = study
            got += _answers(site.send(replace(a_round(study, *_first(study), run=alias), study=alias)))
    return Figure(got, "of 5 questions answered")


def _by_any_name(home: Path, name: str) -> tuple[Study, Approval]:
    """The same, of a site that looks a study up by the beginning of its hash."""
    return _always_approved(home, next(p.hash for p in proposed.inbox(home) if p.hash.startswith(name)))


@attack(
    "RT18",
    "studies are sent to a site that has not decided, has said no, or has taken its yes back",
    works_from=3,
)
def not_approved(folder: Path, weakened: bool) -> Figure:
    site, got = AttackedSite(folder), 0
    with weaken(approvals, "proposed", _always_approved, weakened):
        for decision in (None, State.REFUSED, State.REVOKED):
            study = a_study(title=str(decision))
            site.propose(study)
            if decision:
                approvals.decide(folder, study, decision, by="test")
            got += _answers(site.ask(study, *_first(study)))
            site.restart()
    return Figure(got, "of 3 studies answered")


@attack(
    "RT22",
    "a study is run again without one site: the difference of two sums is that site's part",
    works_from=3,
)
def another_roster(folder: Path, weakened: bool) -> Figure:
    got = 0
    with weaken(ledger, "_refuse_nearly_the_same_sites", lambda *_: None, weakened):
        for k, (first, then) in enumerate((("abcd", "abc"), ("abc", "abcd"), ("abcd", "abce"))):
            site, study = AttackedSite(folder / str(k)), a_study()
            if weakened:
                changed(site.home, "combinations", "allow")
            site.approve(study)
            site.ask(study, *_first(study), roster=first)
            site.restart()
            got += _answers(site.ask(study, *_first(study), run="r2", roster=then))
    return Figure(got, "of 3 second runs answered")


@attack("RT20", "a secure sum over two sites, of which the coordinator knows one", works_from=1)
def too_few_sites(folder: Path, weakened: bool) -> Figure:
    site, study = AttackedSite(folder), a_study()
    site.approve(study)

    def few(study: Study, table: AnalysisTable, ask: Ask, floors: Thresholds, shared: Shared) -> Release:
        return answer(study, table, ask, floors, replace(shared, contributors=None))

    asked = weaken(coordination, "_refuse_few_contributors", lambda *_: None, weakened)
    told = weaken(agent, "answer", few, weakened)
    with asked, told, weaken(admission, "_check_roster", lambda *_: None, weakened):
        got = _answers(site.ask(study, *_first(study), roster="ab"))
    return Figure(got, "of 1 sum answered")


@attack("RT33", "one message with a thousand numbers for the same question", works_from=1000)
def thousand_numbers(folder: Path, weakened: bool) -> Figure:
    site, study = AttackedSite(folder, obedient=True), a_study()
    site.approve(study)
    beside = {"shown": np.ones((1, 1), dtype=np.int64), "scale": np.ones((1, 1))}
    asks = [
        Ask("deviations", {"mean": np.full((1, 1), float(i)), **beside}, analysis="ages") for i in range(1000)
    ]
    wide = Policy(max_alike=2000)
    with weaken(admission, "read_policy", lambda home: wide, weakened):
        return Figure(_answers(site.ask(study, *asks)), "of 1000 numbers answered")


@attack(
    "RT34",
    "the site's clock is set back: an approval that had expired is valid again",
    works_from=1,
)
def clock_back(folder: Path, weakened: bool) -> Figure:
    site, study = AttackedSite(folder), a_study()
    site.approve(study, days=1)
    now = clock.now
    with weaken(clock, "now", lambda: now() + timedelta(days=2), True):
        site.ask(study, *_first(study))  # a day later the site has noticed that it is over
    site.restart()
    with weaken(clock, "latest", lambda db: now(), weakened):
        return Figure(_answers(site.ask(study, *_first(study))), "of 1 expired approvals revived")
