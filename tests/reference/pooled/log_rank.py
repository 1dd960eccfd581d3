"""The reference of `log_rank`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from statsmodels.duration.survfunc import survdiff

from protocols.core.table import AnalysisTable
from protocols.survival.life_table import follow_up
from protocols.survival.log_rank import LogRankResult, LogRankSpec, LogRankSums, _known, log_rank, result


def pooled(spec: LogRankSpec, tables: Sequence[AnalysisTable]) -> LogRankResult:
    """The sums time by time on all rows, and statsmodels' `survdiff` where it has the test."""
    known = [_known(table, spec) for table in tables]
    edges = spec.grid.edges() if spec.grid else None
    people = [follow_up(table, spec.outcome, spec.entry) for table in known]
    people = [p if edges is None else p.on(edges) for p in people]
    time, event = (np.concatenate([getattr(p, name) for p in people]) for name in ("time", "event"))
    entry = np.concatenate([np.full(len(p.time), -1.0) if p.entry is None else p.entry for p in people])
    group = np.concatenate([table.column(spec.by) for table in known])
    stratum = np.zeros(len(time))
    if spec.stratify == "site":
        values = [np.column_stack([np.full(len(t), i), t.matrix(spec.strata)]) for i, t in enumerate(known)]
        stratum = np.unique(np.concatenate(values), axis=0, return_inverse=True)[1].ravel().astype(float)
    G = len(spec.levels)
    sums = LogRankSums(np.zeros(G), np.zeros(G), np.zeros((G, G)))
    for s in np.unique(stratum):
        of = stratum == s
        times = np.unique(time[of & event])
        at_risk = [
            [np.sum(of & (group == g) & (time >= t) & (entry < t)) for t in times] for g in spec.levels
        ]
        deaths = [[np.sum(of & (group == g) & (time == t) & event) for t in times] for g in spec.levels]
        sums += log_rank(np.array(at_risk), np.array(deaths), spec.rho)
    counts = np.array([(np.sum(group == g), np.sum((group == g) & event)) for g in spec.levels])
    found = result(spec, sums, counts[:, 0], counts[:, 1], 10)
    if not (entry >= 0).any():
        family = {"weight_type": "fh", "fh_p": spec.rho} if spec.rho else {}
        with np.errstate(divide="ignore"):  # its logarithm of a survival that reached 0
            chi_square, p = survdiff(time, event, group, strata=stratum, **family)
        np.testing.assert_allclose([found.chi_square, found.p], [chi_square, p], rtol=1e-8)
    return found
