"""RT43, RT49: what a named site says for itself: in the clear at chosen models, and by failing alone."""

from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.errors import Code
from protocols.core.protocol import Ask, PerSite
from protocols.core.table import AnalysisTable, Floats
from protocols.validation.schemes import site_number
from tests.lib.lying_coordinator import Answer, Counted, LyingCoordinator, closed_in, read_rows
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

PEOPLE = 60
NUMBER = np.array([site_number("a")], dtype=np.int64)
MODEL: dict[str, Any] = {"protocol": "logistic", "outcome": "y", "covariates": ["x"]}


def _table(site: str, seed: int) -> AnalysisTable:
    draw = np.random.default_rng(seed)
    columns = {"x": draw.normal(size=PEOPLE), "y": (draw.uniform(size=PEOPLE) < 0.5).astype(float)}
    return AnalysisTable(site, 1000 * seed + np.arange(PEOPLE), columns)


def _of_a(answer: Answer) -> dict[str, Floats] | None:
    """What site a said in the clear."""
    return dict(answer.answers["a"]) if isinstance(answer, PerSite) and "a" in answer.answers else None


@attack(
    "RT43",
    "validation by site at chosen fits, in the clear: people above any value, and of them the cases",
    works_from=PEOPLE,
    slow=True,
)
def validation_clear(folder: Path, weakened: bool) -> Figure:
    tables = {site: _table(site, seed) for seed, site in enumerate("abc")}
    spec = {"protocol": "discrimination", "model": MODEL, "scheme": {"kind": "sites"}}
    coordinator = LyingCoordinator(
        folder, a_study_of(["x", "y"], {"name": "a", "spec": spec}), tables, obedient=weakened
    )
    slope = 1e14

    def judged(thresholds: Floats) -> list[dict[str, Floats] | None]:
        """The site's own numbers where all above a threshold are predicted 1 and all below 0."""
        same = {"folds": NUMBER, "last": np.full(20, 19)}
        fits = [{**same, "model.coef": np.array([[-slope * t, slope]])} for t in thresholds]
        return [
            _of_a(a)
            for a in coordinator.ask(*(Ask("left_out", f, per_site=True, analysis="a") for f in fits))
        ]

    def below(lows: Floats, highs: Floats) -> Counted | None:
        middle = (lows + highs) / 2
        ones = [PEOPLE * a["mean_predicted"] for a in judged(middle) if a]
        return (middle[:, None], PEOPLE - np.rint(ones)[:, None]) if len(ones) == PEOPLE else None

    x = closed_in(below, PEOPLE, -6, 6, 34)
    rows = np.zeros((0, 2))
    if len(x):
        between = np.concatenate([x[:1] - 1, (x[1:] + x[:-1]) / 2, x[-1:] + 1])
        said = [a for a in judged(between) if a]
        noncases, cases = said[0]["people"].astype(float)
        above = PEOPLE - np.arange(PEOPLE + 1)
        # auc = (1 + cases above / cases - others above / others) / 2, and both above are known together.
        among = (2 * np.array([a["auc"] for a in said]) - 1 + above / noncases) / (1 / cases + 1 / noncases)
        rows = np.column_stack([x, -np.diff(among)])
    truth = np.column_stack([tables["a"].column(name) for name in ("x", "y")])
    hits, error = read_rows(rows, truth, 1e-6)
    return Figure(hits, f"of {PEOPLE} rows (x, y) of a named site, error {error:.0e}")


GRID = {"step_days": 30, "until_days": 900}


@attack(
    "RT43",
    "survival validation at infinite coefficients: who is older has no score, a named site counts the rest",
    works_from=PEOPLE,
    slow=True,
)
def survival_clear(folder: Path, weakened: bool) -> Figure:
    def table(site: str, seed: int) -> AnalysisTable:
        draw = np.random.default_rng(seed)
        columns = {"age": draw.normal(60, 9, PEOPLE), "z": draw.normal(size=PEOPLE)}
        columns |= {
            "os.time": draw.uniform(30, 800, PEOPLE),
            "os.event": (draw.uniform(size=PEOPLE) < 0.5) * 1.0,
        }
        return AnalysisTable(site, 1000 * seed + np.arange(PEOPLE), columns)

    tables = {site: table(site, seed) for seed, site in enumerate("abc")}
    model = {"protocol": "cox", "outcome": "os", "covariates": ["age", "z"], "stratify": "none", "grid": GRID}
    spec = {"protocol": "survival_validation", "model": model, "days": [300], "scheme": {"kind": "sites"}}
    study = a_study_of(["age", "z"], {"name": "a", "spec": spec}, survival=["os"])
    coordinator = LyingCoordinator(folder, study, tables, obedient=weakened)

    def scored(thresholds: Floats, sign: float) -> Floats | None:
        """How many have a score where inf - inf is that of all above (sign 1) or below (-1) a threshold."""
        asks = []
        for t in thresholds:
            fits = {"model.coef": np.array([[sign * np.inf, np.inf]])}
            fits |= {"model.center": np.array([[t, 1e6]]), "model.hazard": np.full((1, 30), 0.1)}
            asks.append(Ask("left_out", {"folds": NUMBER, **fits}, per_site=True, analysis="a"))
        said = [_of_a(answer) for answer in coordinator.ask(*asks)]
        return None if None in said else np.array([float(a["n"]) for a in said if a])

    def below(lows: Floats, highs: Floats) -> Counted | None:
        middle = (lows + highs) / 2
        under, over = scored(middle, 1.0), scored(middle, -1.0)
        if under is None or over is None:
            return None
        return middle[:, None], np.where(under >= 0, under, PEOPLE - over)[:, None]

    with np.errstate(all="ignore"):
        found = closed_in(below, PEOPLE, 20, 100, 34)
    hits, error = read_rows(found[:, None], tables["a"].column("age")[:, None], 1e-6)
    return Figure(hits, f"of {PEOPLE} ages of a named site, error {error:.0e}")


@attack(
    "RT49", "numbers that overflow at one site alone: its code says how large its own sum is", works_from=9
)
def overflow_code(folder: Path, weakened: bool) -> Figure:
    few = 7
    tables = {
        site: AnalysisTable(site, 100 * i + np.arange(few), {"x": np.random.default_rng(i).normal(3, 2, few)})
        for i, site in enumerate("abc")
    }
    study = a_study_of(["x"], {"name": "a", "spec": {"protocol": "summary", "of": ["x"]}})
    coordinator = LyingCoordinator(folder, study, tables, obedient=weakened)
    found = _sizes(coordinator, (-1.0, 0.0, 1.0))
    hits, worst = 0, 0.0
    for site, (before, at, after) in zip(tables, found, strict=True):
        x = tables[site].column("x")
        read = np.array([(before + after) / 2 - at, (before - after) / 4, at])  # n, sum, sum of squares
        error = np.abs(read - [few, x.sum(), (x**2).sum()])
        hits, worst = (
            hits + int((error < 1e-4).sum()),
            max(worst, float(error[error < 1e-4].max(initial=0.0))),
        )
    return Figure(hits, f"of 9 sums of groups of {few} at named sites, error {worst:.0e}")


def _sizes(coordinator: LyingCoordinator, means: tuple[float, ...]) -> Floats:
    """(site, mean) each site's sum of (x - mean)^2, by the scale at which it no longer fits into a sum."""
    sites, one = sorted(coordinator.agents.tables), np.ones((1, 1), dtype=np.int64)
    low, high = np.full((len(sites), len(means)), 1e-3), np.full((len(sites), len(means)), 1e6)
    for _ in range(12):
        sizes = np.linspace(low, high, 11)[1:-1]  # (size, site, mean)
        at = np.broadcast_to(np.array(means), sizes.shape)
        asks = [
            Ask("deviations", {"shown": one, "mean": one * mean, "scale": one * scale}, analysis="a")
            for mean, scale in zip(at.ravel(), np.sqrt(sizes.ravel()) * 2.0**-40, strict=True)
        ]
        said = coordinator.ask(*asks)
        if any(isinstance(answer, Code) for answer in said):
            return np.full_like(low, np.nan)
        codes = [a.withheld if isinstance(a, PerSite) else {} for a in said]
        failed = np.array([[site in code for site in sites] for code in codes])
        failed = failed.reshape(*sizes.shape, len(sites)).diagonal(axis1=1, axis2=3).swapaxes(1, 2)
        low = np.where(failed, sizes, low).max(axis=0)
        high = np.where(failed, high, sizes).min(axis=0)
    return (low + high) / 2
