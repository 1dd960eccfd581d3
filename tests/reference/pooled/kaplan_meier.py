"""The reference of `kaplan_meier`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
from statsmodels.duration.survfunc import SurvfuncRight

from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable, Integers
from protocols.survival.kaplan_meier import KaplanMeierResult, KaplanMeierSpec, grouped, result
from protocols.survival.life_table import curve


def pooled(spec: KaplanMeierSpec, tables: Sequence[AnalysisTable]) -> KaplanMeierResult:
    """The counts by brute force on all rounded times, the curves checked against statsmodels."""
    edges, floor = spec.grid.edges(), Thresholds().min_count
    groups = [grouped(table, spec) for table in tables]
    counts: dict[str, list[Integers]] = {"people": [], "at_risk": [], "events": []}
    for g in range(len(spec.groups())):
        on = [group[g].on(edges) for group in groups]
        time, event = (np.concatenate([getattr(f, name) for f in on]) for name in ("time", "event"))
        entry = np.concatenate([np.zeros(len(f.time)) if f.entry is None else f.entry for f in on])
        intervals = np.arange(1, len(edges))[:, None]
        counts["people"].append(np.array(len(time)))
        counts["at_risk"].append(((time >= intervals) & (entry < intervals)).sum(axis=1))
        counts["events"].append(((time == intervals) & event).sum(axis=1))
        at_risk = time > entry
        if at_risk.sum() >= floor:
            theirs = SurvfuncRight(time[at_risk], event[at_risk], entry=entry[at_risk])
            ours = curve(counts["at_risk"][g], counts["events"][g], level=spec.level, min_count=1)
            at = theirs.surv_times.astype(int) - 1
            keep = at < len(edges) - 1
            np.testing.assert_allclose(ours.survival[at[keep]], theirs.surv_prob[keep], rtol=1e-12)
    return result(spec, {name: np.array(value) for name, value in counts.items()}, floor)
