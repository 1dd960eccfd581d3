"""The reference of `competing_risks`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable
from protocols.survival.competing_risks import CompetingRisksResult, result
from protocols.survival.competing_risks_spec import CompetingRisksSpec
from tests.reference.pooled.rows import joined


def pooled(spec: CompetingRisksSpec, tables: Sequence[AnalysisTable]) -> CompetingRisksResult:
    """Counts person by person on rounded times; the curves checked against statsmodels."""
    table, edges = joined(tables), spec.grid.edges()
    table = table.complete(table.read_of(spec.variables()))
    days = np.stack([table.column(f"{name}.time") for name in spec.outcomes])
    happened = np.stack([table.column(f"{name}.event") for name in spec.outcomes]) == 1
    status = np.zeros(len(table), dtype=int)
    for person in range(len(table)):
        first = days[:, person].min()
        for j in range(len(spec.outcomes)):
            if happened[j, person] and days[j, person] == first:
                status[person] = j + 1
    time = np.searchsorted(edges, days.min(axis=0), side="left")
    time = np.where(status > 0, np.maximum(time, 1), time)
    group = table.column(spec.by) if spec.by else np.zeros(len(table))
    at = np.arange(1, len(edges))[:, None]
    counts: dict[str, list[object]] = {"people": [], "at_risk": [], "events": []}
    for level in spec.levels if spec.by else (0.0,):
        t, s = time[group == level], status[group == level]
        causes = range(1, len(spec.outcomes) + 1)
        counts["people"].append(len(t))
        counts["at_risk"].append((t >= at).sum(axis=1))
        counts["events"].append([((t == at) & (s == cause)).sum(axis=1) for cause in causes])
    found = result(spec, {name: np.array(value) for name, value in counts.items()}, Thresholds().min_count)
    for g, level in enumerate(spec.levels if spec.by else (0.0,)):
        _check(found, g, time[group == level], status[group == level])
    return found


def _check(found: CompetingRisksResult, g: int, time: np.ndarray, status: np.ndarray) -> None:
    kept = time > 0
    with np.errstate(divide="ignore", invalid="ignore"):  # its own errors, where all who are left leave
        theirs = CumIncidenceRight(time[kept], status[kept])
    at = theirs.times.astype(int) - 1
    shown = (at < len(found.days)) & ~np.isnan(found.survival[g][np.minimum(at, len(found.days) - 1)])
    for j, shares in enumerate(theirs.cinc):
        np.testing.assert_allclose(found.incidence[g, j, at[shown]], shares[shown], rtol=1e-11, atol=1e-13)
    with np.errstate(divide="ignore", invalid="ignore"):
        alive = SurvfuncRight(time[kept], (status[kept] > 0).astype(int))
    at = alive.surv_times.astype(int) - 1
    shown = (at < len(found.days)) & ~np.isnan(found.survival[g][np.minimum(at, len(found.days) - 1)])
    np.testing.assert_allclose(found.survival[g, at[shown]], alive.surv_prob[shown], rtol=1e-11)
