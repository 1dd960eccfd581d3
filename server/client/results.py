"""What a study found, for a notebook: results as the objects that they are, frames, figures and models."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import Failure
from protocols.core.protocol import Result, Spec
from protocols.core.study import Study
from protocols.exchange.rounds import Outcome
from protocols.results.reading import read_result

if TYPE_CHECKING:
    import pandas as pd

    from protocols.results.prediction import Fitted

NOT_TOLD = "not told"


@dataclass(frozen=True)
class Found:
    """What one analysis of a study found.

    Attributes:
        name: as the study calls it.
        spec: what was asked.
        result: what was found, as the protocol's own class.
    """

    name: str
    spec: Spec
    result: Result

    @property
    def protocol(self) -> str:
        """Which statistics it is."""
        return self.spec.protocol

    @property
    def data(self) -> dict[str, Any]:
        """Everything that it found, as in results.json of the report."""
        return self.result.as_dict()

    def summary(self) -> "pd.DataFrame":
        """One row per quantity of interest; what was not told is `pd.NA`, never 0.

        A number is not told where too few people stand behind it, or where it is not defined; `not_told` has
        these cells.
        """
        return self.result.summary().convert_dtypes(convert_string=False)

    def not_told(self) -> "pd.DataFrame":
        """True in the cells of `summary` that have no number."""
        return self.summary().isna()

    def plot(self, axes: Any = None) -> Any:
        """matplotlib's axes with its first panel; without axes, all its panels on new ones.

        Raises:
            InputError: not-found; this result has no figure.
        """
        return self.result.plot(axes)

    def fitted(self) -> "Fitted":
        """The model for new people: `predict_proba`, `predict_survival_function`, `transform`; its
        `estimator()` is scikit-learn's and its `fitter()` lifelines'.
        """
        from protocols.results.prediction import Fitted

        return Fitted(self.spec, self.result)

    def _repr_html_(self) -> str:
        head = f"<strong>{escape(self.name)}</strong> ({escape(self.protocol)})"
        table = self.summary().astype(object)
        return head + table.where(table.notna(), NOT_TOLD).to_html()


class Results(Mapping[str, Found]):
    """What a study found, analysis by analysis; one that failed raises its error when it is asked for.

    Attributes:
        study: what was asked.
    """

    def __init__(self, study: Study, found: Mapping[str, Result | Failure]) -> None:
        self.study = study
        self._found = found

    @classmethod
    def of(cls, study: Study, outcome: Outcome) -> "Results":
        """Those of a study that ran in this process."""
        return cls(study, outcome.results)

    @classmethod
    def read(cls, study: Study, data: Mapping[str, Any]) -> "Results":
        """Those that a center told: for each analysis its protocol, and a result or a failure.

        Raises:
            InputError: invalid-input; they are of another version than this one.
        """
        return cls(study, {name: _read(one) for name, one in data.items()})

    def __getitem__(self, name: str) -> Found:
        found = self._found[name]
        if isinstance(found, Failure):
            raise StudyError(found.code, found.text, found.fix)
        return Found(name, self.study.spec(name), found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def failures(self) -> Mapping[str, StudyError]:
        """Analysis -> why it has no result; the others have one."""
        return {
            name: StudyError(found.code, found.text, found.fix)
            for name, found in self._found.items()
            if isinstance(found, Failure)
        }

    def __repr__(self) -> str:
        failed = f"; failed: {', '.join(self.failures)}" if self.failures else ""
        return f"Results of {self.study.name!r}: {', '.join(self)}{failed}"

    def _repr_html_(self) -> str:
        rows = [
            f"<tr><th scope='row'>{escape(name)}</th><td>{escape(self.study.spec(name).protocol)}</td>"
            f"<td>{escape(str(self.failures[name])) if name in self.failures else 'found'}</td></tr>"
            for name in self
        ]
        head = f"<caption>{escape(self.study.title)}</caption>"
        return f"<table>{head}<tbody>{''.join(rows)}</tbody></table>"


def _read(one: Mapping[str, Any]) -> Result | Failure:
    if (failure := one.get("failure")) is not None:
        return Failure(Code(failure["code"]), failure["text"], failure.get("fix", ""))
    return read_result(one["protocol"], one["result"])
