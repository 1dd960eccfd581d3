"""Multiple imputation by chained equations: a model on several completed data sets, joined by Rubin's rules.

Each incomplete variable in turn is regressed on all others (`norm`: Bayesian linear regression, `logreg`:
Bayesian logistic), from joined moments or derivatives over the people who have it. The coordinator draws the
regression's coefficients from their posterior by the seed of the spec. A site replays all draws so far on its
own rows; a person's residual and coin are numbers that belong to the person. So no completed value leaves,
no site keeps anything between rounds, and the completed tables are the same as with all rows in one place.
All imputations advance together: rounds are iterations times variables, and those of the model.

Exact as an algorithm; the imputations themselves are random, as mice's are. The logistic regressions have a
normal prior of standard deviation 5 on standardized coefficients, so that separation does not stop them
(mice adds weighted rows to the same end).

Reference: van Buuren & Groothuis-Oudshoorn, J Stat Softw 45 (2011) 3; Chang et al., Stat Med 39 (2020) 4041
for the federated form; R `mice.impute.norm`, `mice.impute.logreg`, `pool`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from protocols.core.disclosure import Array, Count, Moment
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure, NoFigure
from protocols.core.lockstep import together
from protocols.core.protocol import (
    Arrays,
    Ask,
    Coordination,
    FederatedProtocol,
    Result,
    Spec,
    Transform,
    ask,
    protocol,
    site_step,
    within,
)
from protocols.core.roles import Coefficients, ColumnTransform, Estimates, Model
from protocols.core.site_step import Times
from protocols.core.table import EVERYBODY, AnalysisTable, Floats, Integers, Mask
from protocols.core.variables import Column, Name
from protocols.core.wording import listed
from protocols.estimation.draws import Draws
from protocols.estimation.outcome import zero_one
from protocols.preparation import rubin
from protocols.preparation.imputed_rows import Imputation, ImputedRows
from protocols.preparation.posterior import MAX_NEWTON, inverse, logistic_mode, regression_draw, scattered
from protocols.regression.families import logit
from protocols.results.figures import forest


class MultipleImputationSpec(Spec):
    """A model whose variables have missing values.

    Attributes:
        model: what is fitted on each completed data set.
        norm: numeric variables that are imputed by linear regression.
        logreg: 0/1 variables that are imputed by logistic regression.
        predictors: complete columns that help, the model's outcome among them; people without a value of
            one are not imputed.
        imputations, iterations: completed data sets, and rounds through the variables for each.
        seed: of all draws.
    """

    protocol: Literal["multiple_imputation"] = "multiple_imputation"
    model: Model[Estimates]
    norm: tuple[Name, ...] = Field(default=(), max_length=50)
    logreg: tuple[Name, ...] = Field(default=(), max_length=50)
    predictors: tuple[Column, ...] = Field(default=(), max_length=100)
    imputations: int = Field(default=5, ge=2, le=100)
    iterations: int = Field(default=5, ge=1, le=50)
    seed: int = Field(default=0, ge=0, lt=2**31)
    level: float = Field(default=0.95, gt=0, lt=1)

    @model_validator(mode="after")
    def _can_be_imputed(self) -> "MultipleImputationSpec":
        if not self.imputed():
            raise ValueError("nothing is imputed: name variables in norm or logreg")
        if len(set(self.columns())) != len(self.columns()) or len(self.columns()) < 2:
            raise ValueError("norm, logreg and predictors are different columns, two at least")
        return self

    def visits(self, names: tuple[str, ...]) -> int:
        """How often these variables are visited in all imputations together."""
        return self.iterations * self.imputations * len(names)

    def imputed(self) -> tuple[str, ...]:
        """The variables that are imputed, in the order of visits."""
        return (*self.norm, *self.logreg)

    def columns(self) -> tuple[str, ...]:
        """All columns of the imputation, those that are imputed first."""
        return (*self.imputed(), *self.predictors)

    def imputation(self) -> Imputation:
        """How sites impute."""
        kinds = len(self.norm), len(self.imputed())
        return Imputation(self.columns(), *kinds, self.imputations, self.iterations, self.seed)

    def variables(self) -> tuple[str, ...]:
        columns = (name.split(".")[0] for name in self.columns())
        return tuple(dict.fromkeys((*columns, *self.model.variables())))

    def stands_on(self) -> tuple[str, ...]:
        return self.predictors  # the others have missing values, and each a count of its own

    def needs(self) -> tuple[str, ...]:
        return tuple(name for name in self.variables() if name not in self.imputed())

    def fills(self) -> tuple[str, ...]:
        return self.imputed()

    def sets_of_people(self, table: AnalysisTable) -> Iterator[tuple[tuple[str, ...], Mask]]:
        yield self.predictors, (complete := table.present(table.read_of(self.predictors)))
        for name in self.columns():
            yield (name,), complete & table.present(table.read_of([name]))


@dataclass(frozen=True)
class MultipleImputationResult(Result):
    """A model's coefficients over all completed data sets.

    Attributes:
        terms: (p,) of the model.
        coef, se, t, p, lower, upper, df: (p,) by Rubin's rules, degrees of freedom after Barnard and Rubin.
        riv, fmi: (p,) relative increase in variance, and fraction of information that is missing.
        within, between, total: (p,) variances.
        coefs: (m, p) of each completed data set.
        columns: the imputed variables; missing: (k,) people without a value of each.
        means: (iterations, m, k) of the imputed variables' intercept draws, on the standardized scale: chains
            that mixed have no trend.
        n: people in the model.

    >>> from protocols.exchange.example import run_example
    >>> model = {"protocol": "linear", "outcome": "entropy", "covariates": ["volume"]}
    >>> filled = {"norm": ["volume"], "predictors": ["entropy"], "imputations": 2, "iterations": 1}
    >>> found = run_example(protocol="multiple_imputation", model=model, **filled)
    >>> found.summary()[["coef", "se", "fmi"]].round(2)
                 coef    se   fmi
    (Intercept)  3.56  0.09  0.01
    volume       0.02  0.00  0.01
    """

    terms: tuple[str, ...]
    coef: Floats
    se: Floats
    t: Floats
    p: Floats
    lower: Floats
    upper: Floats
    df: Floats
    riv: Floats
    fmi: Floats
    within: Floats
    between: Floats
    total: Floats
    coefs: Floats
    columns: tuple[str, ...]
    missing: Integers
    means: Floats
    n: int

    def summary(self) -> pd.DataFrame:
        return self.table(self.terms, "coef", "se", "t", "df", "p", "lower", "upper", "fmi")

    def figure(self) -> Figure | NoFigure:
        caption = (
            f"Coefficients over {len(self.coefs)} completed data sets of {self.n} people, by Rubin's rules."
        )
        return forest(self.terms, self.coef, self.lower, self.upper, measure="coefficient", caption=caption)


class MultipleImputation(
    FederatedProtocol[MultipleImputationSpec, MultipleImputationResult],
    ColumnTransform[MultipleImputationSpec],
):
    """A model on people with missing values, all of them used."""

    name = "multiple_imputation"
    spec_type = MultipleImputationSpec

    @site_step(
        people=Count(),
        n=Count("column", of="people", what="people with a value"),
        sum=Moment("column", behind="n", what="sums"),
        square=Moment("column", behind="n", what="sums of squares"),
    )
    def known(spec: MultipleImputationSpec, table: AnalysisTable) -> Arrays:
        """How many have each column, its sum and sum of squares: where imputation starts, and its scale."""
        x = table.complete(spec.predictors).matrix(spec.columns())
        present = ~np.isnan(x)
        x = np.where(present, x, 0.0)
        return {
            "people": np.array(len(x)),
            "n": present.sum(axis=0),
            "sum": x.sum(axis=0),
            "square": (x**2).sum(axis=0),
        }

    @site_step(
        times=lambda spec: Times(spec.visits(spec.norm), spec.visits(spec.norm)),
        varies=("target", "chain"),
        n=Count(),
        products=Moment("column+1", "column+1", what="sums of products, missing values as drawn"),
    )
    def moments(spec: MultipleImputationSpec, table: AnalysisTable, target: Array, **chain: Array) -> Arrays:
        """Products of the others' current values, a one and the target, over people who have the target."""
        x, _ = ImputedRows.on(table, spec.imputation(), chain).regressed(chain, int(target))
        last = [*(j for j in range(x.shape[1]) if j != int(target)), int(target)]
        return {"n": np.array(len(x)), "products": (x.T @ x)[np.ix_(last, last)]}

    @site_step(
        times=lambda spec: Times(spec.visits(spec.logreg), MAX_NEWTON * spec.visits(spec.logreg)),
        varies=("target", "coef", "chain"),
        n=Count(),
        loglik=Moment(what="log-likelihood"),
        score=Moment("column", what="first derivatives of the log-likelihood"),
        information=Moment("column", "column", what="second derivatives of the log-likelihood"),
    )
    def derivatives(
        spec: MultipleImputationSpec, table: AnalysisTable, target: Array, coef: Floats, **chain: Array
    ) -> Arrays:
        """The logistic likelihood of the target on the others' current values, and its derivatives."""
        people, name = ImputedRows.on(table, spec.imputation(), chain), spec.columns()[int(target)]
        x, rows = people.regressed(chain, int(target))
        x, y = people.others(x, int(target)), zero_one(table.column(name)[rows], name)
        found = logit(y, x @ coef, 0.0)
        return {
            "n": np.array(len(y)),
            "loglik": np.array(found.loglik.sum()),
            "score": x.T @ found.slope,
            "information": (x * found.curvature[:, None]).T @ x,
        }

    def axes(self, spec: MultipleImputationSpec) -> dict[str, int]:
        k = len(spec.columns())
        return {"column": k, "column+1": k + 1}

    def coordinate(self, spec: MultipleImputationSpec) -> Coordination[MultipleImputationResult]:
        total = yield ask("known")
        start = _start(spec, total.arrays, total.min_count)
        chains = yield from together([_chain(spec, start, m, total.chance) for m in range(spec.imputations)])
        model = protocol(spec.model.protocol)
        fits = yield from together(
            [
                within(
                    model.coordinate(spec.model),
                    part=("model",),
                    transforms=(Transform("", (), EVERYBODY, chain),),
                )
                for chain in chains
            ]
        )
        return result(spec, total.arrays, chains, fits)

    def transform(
        self, spec: MultipleImputationSpec, table: AnalysisTable, rows: Mask, **arrays: Array
    ) -> AnalysisTable:
        """The table with its missing values imputed by one chain of draws; `rows` play no part."""
        people = ImputedRows.on(table, spec.imputation(), arrays)
        x, places = people.completed(arrays), np.flatnonzero(people.eligible)
        columns = {}
        for j, name in enumerate(spec.imputed()):
            made = x[people.missing[j], j] * arrays["scale"][j] + arrays["centre"][j]
            columns[name] = table.column(name).copy()
            columns[name][places[people.missing[j]]] = np.round(made) if name in spec.logreg else made
        return table.with_columns(columns)

    def method(self, spec: MultipleImputationSpec) -> str:
        model = protocol(spec.model.protocol).method(spec.model)
        return (
            f"Missing values of {listed((*spec.norm, *spec.logreg))} were imputed {spec.imputations} times "
            f"by chained equations of {spec.iterations} iterations (van Buuren & Groothuis-Oudshoorn "
            f"2011), and the estimates pooled by Rubin's rules. The model: {model}"
        )

    def about(self, spec: MultipleImputationSpec) -> str:
        return (
            f"Multiple imputation of {', '.join(spec.imputed())} from {', '.join(spec.columns())}; "
            f"{spec.imputations} completed data sets, which stay here, and on each of them:"
        )


def _start(spec: MultipleImputationSpec, total: Arrays, floor: int) -> dict[str, Floats]:
    """Location and scale of the columns: an imputation starts at the mean, as 0 on that scale.

    Raises:
        StudyError: withheld or rank-deficient; names the columns.
    """
    n = np.asarray(total["n"], dtype=np.float64)
    few = [name for name, known in zip(spec.columns(), n, strict=True) if known < max(floor, 1)]
    if few:
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {floor} people have a value of: {', '.join(few)}",
            "remove these variables",
        )
    mean = total["sum"] / n
    variance = total["square"] / n - mean**2
    still = [
        name
        for name, v, square in zip(spec.columns(), variance, total["square"] / n, strict=True)
        if v <= 1e-13 * square
    ]
    if still:
        raise StudyError(Code.RANK_DEFICIENT, f"does not vary: {', '.join(still)}", "remove these variables")
    return {"centre": mean, "scale": np.sqrt(variance)}


def _chain(
    spec: MultipleImputationSpec, start: dict[str, Floats], imputation: int, chance: bytes = b""
) -> Coordination[dict[str, Array]]:
    """The draws of one imputation: (visits, k + 1) coefficients and residual standard deviation."""
    k = len(spec.columns())
    draws = np.zeros((0, k + 1))
    last: dict[int, Floats] = {}
    for visit, target in spec.imputation().visits():
        chain: dict[str, Array] = {**start, "draws": draws, "imputation": np.array(imputation)}
        drawn = Draws(chance, spec.seed, imputation, visit)
        if target < len(spec.norm):
            total = yield Ask("moments", {"target": np.array(target), **chain})
            draw = regression_draw(total["products"], int(total["n"]), drawn)
        else:
            centre = last.get(target, np.zeros(k))
            last[target], information = yield from logistic_mode(target, centre, chain)
            draw = np.append(last[target] + scattered(inverse(information), drawn), 0.0)
        draws = np.vstack([draws, draw])
    return {**start, "draws": draws, "imputation": np.array(imputation)}


def result(
    spec: MultipleImputationSpec,
    known: Arrays,
    chains: Sequence[Arrays],
    fits: Sequence[Coefficients],
) -> MultipleImputationResult:
    """The result of the fits on each completed data set."""
    estimates = np.array([fit.coef for fit in fits])
    n, p, k = fits[0].n, estimates.shape[1], len(spec.imputed())
    covariances = np.array([fit.covariance for fit in fits])
    found = rubin.pool(estimates, covariances, fits[0].informative() - p, spec.level)
    draws = np.array([chain["draws"][:, -2] for chain in chains])  # the intercepts
    return MultipleImputationResult(
        terms=fits[0].terms,
        coef=found.estimate,
        se=found.se,
        t=found.t,
        p=found.p,
        lower=found.lower,
        upper=found.upper,
        df=found.df,
        riv=found.riv,
        fmi=found.fmi,
        within=found.within,
        between=found.between,
        total=found.total,
        coefs=estimates,
        columns=spec.imputed(),
        missing=(int(known["people"]) - np.asarray(known["n"], dtype=np.int64))[:k],
        means=draws.reshape(len(chains), spec.iterations, k).transpose(1, 0, 2),
        n=n,
    )
