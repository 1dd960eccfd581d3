"""The rows of a Cox model at a site, in its strata and on its grid, made once a table."""

from typing import Any

import numpy as np

from protocols.core.table import AnalysisTable, Floats, Integers, Mask
from protocols.survival import shared_baseline as shared
from protocols.survival.cox_model import CoxSpec
from protocols.survival.life_table import on_intervals
from protocols.survival.partial_likelihood import Stratum
from protocols.survival.proportional_hazards import of_times
from protocols.survival.survival_design import Design, design


def rows(spec: CoxSpec, table: AnalysisTable) -> Design:
    """The complete rows, made once a table."""

    def make() -> Design:
        return design(
            table,
            spec.outcome,
            spec.covariates,
            entry=spec.entry,
            episodes=spec.episodes,
            weight=spec.weight,
            strata=spec.strata,
            cluster=spec.cluster,
        )

    return table.derived(("design", spec), make)


def strata(spec: CoxSpec, table: AnalysisTable) -> list[Stratum]:
    """The strata of this hospital."""
    return [stratum for _, stratum in by_stratum(spec, table)]


def by_stratum(spec: CoxSpec, table: AnalysisTable) -> list[tuple[Mask, Stratum]]:
    """The rows of each stratum, and the stratum."""
    return table.derived(("strata", spec), rows(spec, table).by_stratum)


def edges(spec: CoxSpec) -> Floats:
    """The (bins + 1,) days at which the grid's intervals begin and end."""
    return spec.grid.edges() if spec.grid else np.zeros(1)


def on_grid(
    spec: CoxSpec, table: AnalysisTable, scale: Floats, location: Floats, number: Integers
) -> Stratum:
    """All rows as one stratum in merged intervals, covariates less location over scale."""
    shared.check_intervals(number, spec.bins())
    found, ends = rows(spec, table), edges(spec)

    def make() -> Stratum:
        on = on_intervals(found.follow, ends, number)
        at = np.arange(1.0, number[-1] + 2)
        return Stratum((found.x - location) / scale, on.entry, on.time, on.event, found.weight, at)

    key = ("grid", spec, scale.tobytes(), location.tobytes(), number.tobytes())
    return table.derived(key, make)


def risk_sets(
    spec: CoxSpec, table: AnalysisTable, coef: Floats, scale: Floats, location: Floats, number: Integers
) -> tuple[Stratum, Floats, dict[str, Any]]:
    """All rows on the grid, their (n,) linear predictors, and their sums over risk sets, as declared."""
    stratum = on_grid(spec, table, scale, location, number)
    eta, risk = shared.risk_of(stratum, coef)
    at_risk = np.zeros(spec.bins(), dtype=np.int64)
    present = np.round(stratum.sums(np.ones(len(stratum.x)), "breslow").s0)
    at_risk[: len(present)] = present
    arrays = shared.risk_set_arrays(stratum, risk, spec.ties, spec.bins())
    return stratum, eta, {"effective": people(spec, table)["effective"], "at_risk": at_risk, **arrays}


def people(spec: CoxSpec, table: AnalysisTable) -> dict[str, Any]:
    """The counts of people behind all sums."""
    found = rows(spec, table)
    counts = {"effective": found.effective, "n": found.people, "n_events": found.events}
    return {name: np.array(count) for name, count in counts.items()}


def of_time(spec: CoxSpec, days: Floats, g: Floats) -> Floats:
    """(K,) g of event times: of the days themselves, or of their intervals where only the center knows it."""
    transform = spec.proportional_hazards
    if transform in ("km", "rank") and spec.grid:
        return g[np.clip(np.searchsorted(spec.grid.edges(), days) - 1, 0, len(g) - 1)]
    return of_times(transform or "identity", days)
