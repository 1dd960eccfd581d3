"""What was fitted, applied to new people: as scikit-learn's estimators and lifelines' fitters have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from protocols.core.errors import Code, SpecError
from protocols.core.protocol import FederatedProtocol, Result, Spec, protocol
from protocols.core.roles import (
    Classification,
    Predicts,
    PredictsLevels,
    PredictsProbability,
    PredictsSurvival,
    Regression,
    arrays_of,
    risks,
    score,
    transformed,
)
from protocols.core.table import AnalysisTable, Floats, Integers


@dataclass(frozen=True)
class Fitted:
    """An analysis and its result, for people in a frame: one row each, columns by the names of variables.

    Missing values are NaN; the prediction is missing for people without what a model needs.

    Attributes:
        spec: of the analysis.
        result: what the study found with it.

    >>> from protocols.core.protocol import parse_spec
    >>> from protocols.exchange.example import run_example
    >>> spec = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "entropy"]}
    >>> fitted = Fitted(parse_spec(spec), run_example(**spec))
    >>> people = pd.DataFrame({"age": [35, 70], "entropy": [4.0, 5.5]})
    >>> fitted.predict_proba(people).round(2)
    array([[0.07, 0.93],
           [0.98, 0.02]])
    >>> fitted.predict(people)
    array([1., 0.])
    >>> fitted.estimator().classes_
    array([0., 1.])
    """

    spec: Spec
    result: Result

    def predict_proba(self, x: pd.DataFrame) -> Floats:
        """The (n, 2) probabilities that the outcome is 0 and 1; (n, levels) of a multinomial model.

        Raises:
            SpecError: invalid-study; the analysis gives no probability.
        """
        if isinstance(self.result, Classification):
            return self.result.predict_proba(self._matrix(x))
        if not isinstance(self.spec, PredictsProbability):
            raise SpecError(Code.INVALID_STUDY, f"{self.spec.protocol} gives no probability")
        p = score(self.spec, table_of(x), arrays_of(self.result))
        return np.column_stack([1 - p, p])

    def predict(self, x: pd.DataFrame) -> Floats:
        """The (n,) expected outcomes of a regression (for an exposure of 1), or classes."""
        probable = isinstance(self.spec, PredictsProbability) and not self.spec.shortfall(PredictsProbability)
        if isinstance(self.result, Regression) and not probable:
            return self.result.predict(self._matrix(x))
        p = self.predict_proba(x)
        classes = np.array(self.spec.codes() if isinstance(self.spec, PredictsLevels) else (0.0, 1.0))
        return np.where(np.isnan(p).any(axis=1), np.nan, classes[np.argmax(np.nan_to_num(p), axis=1)])

    def transform(self, x: pd.DataFrame, site: str = "new") -> pd.DataFrame:
        """The frame with its columns changed or added; what is a batch's own comes from these people.

        So a batch that no site had is harmonized from its own people, without their outcomes.

        Raises:
            SpecError: invalid-study; the analysis changes no columns.

        >>> from protocols.core.protocol import parse_spec
        >>> from protocols.exchange.example import run_example
        >>> spec = {"protocol": "impute", "mean": ["volume"]}
        >>> fitted = Fitted(parse_spec(spec), run_example(**spec))
        >>> fitted.transform(pd.DataFrame({"volume": [40.0, np.nan]})).round(1)
           volume
        0    40.0
        1    57.0
        """
        rows = np.ones(len(x), dtype=bool)
        table = transformed(self.spec, table_of(x, site), rows, arrays_of(self.result))
        return x.assign(**dict(table.columns))

    def predict_survival_function(self, x: pd.DataFrame, days: Sequence[float]) -> pd.DataFrame:
        """The probabilities of no event until these days: one row per day, one column per person (lifelines).

        `days` are edges of the model's grid.

        Raises:
            SpecError: invalid-study; the analysis does not predict survival, or a day is not on its grid.

        >>> from protocols.core.protocol import parse_spec
        >>> from protocols.exchange.example import run_example
        >>> spec = {"protocol": "cox", "outcome": "os", "covariates": ["age"], "grid": {"step_days": 90}}
        >>> fitted = Fitted(parse_spec(spec), run_example(**spec))
        >>> fitted.predict_survival_function(pd.DataFrame({"age": [35, 70]}), [360, 720]).round(2)
                0     1
        360  0.86  0.49
        720  0.77  0.27
        >>> fitted.fitter().predict_partial_hazard(pd.DataFrame({"age": [35, 70]})).round(2)
        0    0.48
        1    2.33
        dtype: float64
        """
        edges = self._survival().edges()
        at = np.searchsorted(edges, np.asarray(days, dtype=np.float64))
        if not set(days) <= set(edges[1:]):
            raise SpecError(Code.INVALID_STUDY, "a day is not on the model's grid", "use edges of the grid")
        return pd.DataFrame(1 - self._risks(x, at)[1].T, index=list(days), columns=x.index)

    def predict_partial_hazard(self, x: pd.DataFrame) -> pd.Series:
        """The (n,) hazards beside somebody with mean covariates (lifelines)."""
        score, _ = self._risks(x, np.ones(1, dtype=np.int64))
        return pd.Series(np.exp(score), index=x.index)

    def estimator(self, penalty: float | None = None) -> Any:
        """scikit-learn's estimator of the model, for rows without missing values: frames by names, or arrays.

        Args:
            penalty: one of the path's; None is the fit without one, or that of the least BIC.

        Raises:
            SpecError: invalid-study; scikit-learn has no such estimator, or the path no such penalty.
        """
        if penalty is None:
            return self._protocol().estimator(self.spec, self.result)
        return self._protocol().penalized_estimator(self.spec, self.result, penalty)

    def fitter(self, group: str | None = None) -> Any:
        """lifelines' fitter of the model: a CoxPHFitter, or the KaplanMeierFitter of a group.

        Raises:
            SpecError: invalid-study; lifelines has no such fitter, or there is no such group.
        """
        return self._protocol().fitter(self.spec, self.result, group)

    def _protocol(self) -> FederatedProtocol[Any, Any]:
        return protocol(self.spec.protocol)

    def _survival(self) -> PredictsSurvival:
        if not isinstance(self.spec, PredictsSurvival):
            raise SpecError(Code.INVALID_STUDY, f"{self.spec.protocol} does not predict survival")
        return self.spec

    def _risks(self, x: pd.DataFrame, at: Integers) -> tuple[Floats, Floats]:
        return risks(self._survival(), table_of(x), at.astype(np.int64), arrays_of(self.result))

    def _matrix(self, x: pd.DataFrame) -> Floats:
        if not isinstance(self.spec, Predicts):
            raise SpecError(Code.INVALID_STUDY, f"{self.spec.protocol} does not predict from covariates")
        if why := self.spec.shortfall(Predicts):
            raise SpecError(Code.INVALID_STUDY, why)
        return x[list(self.spec.predictors())].to_numpy(dtype=np.float64)


def table_of(x: pd.DataFrame, site: str = "new") -> AnalysisTable:
    """A table of the frame's people; columns that are not numbers are labels."""
    numeric = {name: pd.api.types.is_numeric_dtype(x[name]) for name in x}
    columns = {str(n): x[n].to_numpy(dtype=np.float64) for n, is_number in numeric.items() if is_number}
    labels = {str(n): x[n].to_numpy(dtype=object) for n, is_number in numeric.items() if not is_number}
    return AnalysisTable(site, np.arange(len(x), dtype=np.int64), columns, labels)
