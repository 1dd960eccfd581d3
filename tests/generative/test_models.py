"""Models of tables with odd numbers: from 1e-9 to 1e15, far from zero, of few values, separated, constant.

A test statistic depends on no unit, so statsmodels fits the same covariates standardized; whether outcomes
are separated is decided by linear programming (Albert and Anderson 1984, Konis 2007).
"""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import linprog
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.genmod.families import Poisson
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.regression.linear_model import OLS
from statsmodels.tools.tools import add_constant

from protocols.core.errors import Code
from protocols.core.lockstep import Failure
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.generative.draws import DRAWS, chance, one
from tests.lib.studies import a_study_of

Floats = NDArray[np.float64]
WITHHELD = (Code.WITHHELD, Code.TOO_FEW_SITES, Code.REFUSED_BY_POLICY)  # too few people of a kind
KINDS = ("linear", "logistic", "poisson", "cox")
NUMBER = {"linear": "t", "logistic": "z", "poisson": "z", "cox": "z"}


class Drawn:
    """The rows of three hospitals and the model that is asked of them."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.kind = str(one(rng, *KINDS))
        self.site = np.repeat(np.arange(3), rng.integers(40, 110, 3))
        self.n = len(self.site)
        self.plain = np.column_stack([self.covariate() for _ in range(int(rng.integers(1, 4)))])
        self.fault: Code | None = None
        self.spoil()
        spread = np.where(np.ptp(self.plain, axis=0) > 0, self.plain.std(axis=0), 1.0)
        self.standard = (self.plain - self.plain.mean(axis=0)) / spread
        self.outcome()
        unit = 10.0 ** rng.uniform(-9, 15, self.plain.shape[1])
        self.rows = self.plain / spread * unit + unit * rng.choice([0, 0, 10, 1000, 1e5], self.plain.shape[1])

    def covariate(self) -> Floats:
        """One covariate: of many values, of few, or skewed."""
        rng, n = self.rng, self.n
        values = (
            rng.normal(size=n), (rng.random(n) < rng.uniform(0.3, 0.7)).astype(float),
            rng.integers(0, 5, n).astype(float), rng.exponential(size=n), rng.normal(size=n) + self.site,
        )  # fmt: skip
        return values[int(rng.integers(len(values)))]

    def spoil(self) -> None:
        """A covariate that does not vary, or that others tell."""
        if self.rng.random() < 0.08:
            self.plain[:, 0] = 3.0
            self.fault = Code.RANK_DEFICIENT
        elif self.rng.random() < 0.08 and self.plain.shape[1] > 1:
            self.plain[:, 1] = 2 * self.plain[:, 0] + 1
            self.fault = Code.RANK_DEFICIENT

        elif self.rng.random() < 0.08 and self.plain.shape[1] > 1:  # nearly so
            self.plain[:, 1] = self.plain[:, 0] + 1e-3 * self.rng.normal(size=self.n)

    def outcome(self) -> None:
        rng = self.rng
        effect = rng.normal(0, 0.4, self.plain.shape[1])
        predictor = self.standard @ effect
        self.scale = 1.0
        match self.kind:
            case "linear":
                self.scale = 10.0 ** rng.uniform(-9, 12)
                self.y = predictor + rng.normal(size=self.n)
            case "logistic":
                self.y = (rng.random(self.n) < 1 / (1 + np.exp(-predictor))).astype(float)
                if rng.random() < 0.25:  # one value of a covariate decides
                    self.y = np.where(self.plain[:, -1] > np.median(self.plain[:, -1]), 1.0, self.y)
            case "poisson":
                level = float(one(rng, 0, -1, 5, 12))  # type: ignore[arg-type]
                self.y = rng.poisson(np.exp(np.clip(predictor, -3, 3) + level)).astype(float)
            case _:
                died, left = rng.exponential(200, self.n) * np.exp(-predictor), rng.uniform(0, 400, self.n)
                days = float(one(rng, 1, 1, 30))  # type: ignore[arg-type]
                self.time = days * np.ceil(np.minimum(died, left) / days)
                self.y = (died <= left).astype(float)
                if rng.random() < 0.2:  # some leave on the day that they come
                    self.time[: self.n // 4], self.y[: self.n // 4] = 0.0, 0.0
        if self.kind == "logistic" and self.fault is None and is_separated(self.standard, self.y):
            self.fault = Code.SEPARATION

    def spec(self) -> dict[str, Any]:
        names = [f"x{i}" for i in range(self.plain.shape[1])]
        if self.kind == "cox":
            return {"protocol": "cox", "outcome": "os", "covariates": names}
        family = {"family": "poisson"} if self.kind == "poisson" else {}
        return {"protocol": "glm" if family else self.kind, "outcome": "y", "covariates": names, **family}

    def tables(self) -> list[AnalysisTable]:
        found = []
        for site in range(3):
            here = self.site == site
            columns = {f"x{i}": self.rows[here, i] for i in range(self.rows.shape[1])}
            columns["y"] = self.y[here] * self.scale
            if self.kind == "cox":
                columns |= {"os.time": self.time[here], "os.event": self.y[here]}
            found.append(AnalysisTable(f"s{site}", np.flatnonzero(here), columns))
        return found

    def run(self, *, secure: bool) -> Any:
        names = ["y", *(f"x{i}" for i in range(self.plain.shape[1]))]
        survival = ["os"] if self.kind == "cox" else []
        study = a_study_of(names, {"name": "it", "spec": self.spec()}, survival=survival)
        return run_locally(study, self.tables(), secure=secure).results["it"]

    def statistics(self) -> Floats:
        """The test statistic of each covariate, by statsmodels."""
        design = add_constant(self.standard, has_constant="add")
        match self.kind:
            case "linear":
                return np.asarray(OLS(self.y, design).fit().tvalues[1:])
            case "cox":
                model = PHReg(self.time, self.standard, status=self.y, strata=self.site, ties="efron")
                return np.asarray(model.fit(disp=0).tvalues)
        family = Poisson() if self.kind == "poisson" else None
        model = GLM(self.y, design, family=family) if family else logit(self.y, design)
        return np.asarray(model.fit(tol=1e-12, maxiter=200).tvalues[1:])


def logit(y: Floats, design: Floats) -> Any:
    from statsmodels.genmod.families import Binomial

    return GLM(y, design, family=Binomial())


def is_separated(covariates: Floats, y: Floats) -> bool:
    """Whether a hyperplane parts the outcomes, completely or but for people who lie on it."""
    signed = (2 * y - 1)[:, None] * add_constant(covariates, has_constant="add")
    best = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(y)), bounds=(-1, 1))
    return bool(-best.fun > 1e-6)


def differs(drawn: Drawn, found: Any) -> str:
    """What of a result is not as statsmodels has it; empty where all is, or `withheld`."""
    if isinstance(found, Failure):
        if found.code in WITHHELD:
            return "withheld"
        return "" if found.code is drawn.fault else f"{found.code} for {drawn.fault}: {found.text}"
    is_aliased = drawn.kind == "linear" and bool(np.isnan(found.coef).any())  # as R's lm has it
    if drawn.fault and not is_aliased:
        return f"a result in spite of {drawn.fault}"
    ours = np.asarray(getattr(found, NUMBER[drawn.kind]), dtype=float)
    ours = ours if drawn.kind == "cox" else ours[1:]
    if drawn.fault:
        return ""
    theirs = drawn.statistics()
    return "" if np.allclose(ours, theirs, rtol=1e-5, atol=1e-6) else f"{ours} for {theirs}"


@DRAWS
def test_a_model_of_odd_numbers_is_that_of_statsmodels(draws: range) -> None:
    wrong: dict[int, str] = {}
    withheld = 0
    for draw in draws:
        drawn = Drawn(chance("models", draw))
        told = differs(drawn, drawn.run(secure=draw % 4 == 0))
        withheld += told == "withheld"
        if told not in ("", "withheld"):
            wrong[draw] = f"{drawn.kind}: {told}"
    assert wrong == {}
    assert withheld <= len(draws) / 4
