"""Rare diseases without training cases: a tumour is taken for the disease whose description it resembles.

Each disease is described by numbers: attributes that experts score, or a vector of its text. From people of
diseases that have training cases a linear map is learned from features to descriptions, and what it predicts
of a person is compared with the descriptions of all diseases, rare ones too. Nothing is asked of a site but a
class-conditional model with a shared covariance matrix (`typing`), whose counts, means and matrix hold every
sum that the map needs; so its floors stand for this one too, and the map is exact.

Reference: Romera-Paredes & Torr, An embarrassingly simple approach to zero-shot learning, ICML 2015; Chao et
al., ECCV 2016, for the allowance that diseases without cases get.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from protocols.applications.typing_result import TypingResult
from protocols.applications.typing_spec import TypingSpec
from protocols.applications.zero_shot_result import ZeroShotResult
from protocols.core.protocol import Coordination, FederatedProtocol, protocol, within
from protocols.core.spec import Spec
from protocols.core.table import Floats
from protocols.core.wording import listed

Vector = Annotated[tuple[float, ...], Field(min_length=2, max_length=200)]


class ZeroShotSpec(Spec):
    """Diseases, what describes them, and the model of those with training cases.

    Attributes:
        model: classes and measured features, with a `shared` covariance matrix.
        descriptions: disease -> its attributes, the same for all and in the same order.
        seen: disease -> its class in the model; the other described diseases have no training cases.
        standardized: whether features are taken in standard deviations over all people about their mean.
        ridge: added to the sums of squares of the features; ridge_of_descriptions: to those of attributes.
        coding: of a person's class: 1 and 0, or 1 and -1.
        allowance: taken from the scores of diseases with training cases, which people are else too often
            taken for.
    """

    protocol: Literal["zero_shot"] = "zero_shot"
    model: TypingSpec
    descriptions: Annotated[dict[str, Vector], Field(min_length=2, max_length=1000)]
    seen: Annotated[dict[str, float], Field(min_length=2)]
    standardized: bool = True
    ridge: float = Field(default=1.0, gt=0, le=1e6)
    ridge_of_descriptions: float = Field(default=0.1, gt=0, le=1e6)
    coding: Literal["0_1", "minus1_1"] = "0_1"
    allowance: float = Field(default=0.0, ge=0, le=1e6)

    @model_validator(mode="after")
    def _agree(self) -> "ZeroShotSpec":
        model = self.model
        if model.covariance != "shared" or model.shrinkage or model.coded or model.conformal:
            raise ValueError(
                "`model` has `covariance: shared` and measured features alone, without shrinkage"
            )
        if sorted(self.seen.values()) != sorted(model.classes):
            raise ValueError("`seen` names one disease for each class of the model")
        if missing := self.seen.keys() - self.descriptions.keys():
            raise ValueError(f"no description of {', '.join(sorted(missing))}")
        if len({len(vector) for vector in self.descriptions.values()}) > 1:
            raise ValueError("`descriptions` have as many attributes each")
        if not all(np.any(vector) and np.isfinite(vector).all() for vector in self.descriptions.values()):
            raise ValueError("a description is of finite numbers, not all of them 0")
        return self

    def variables(self) -> tuple[str, ...]:
        return self.model.variables()

    def needs(self) -> tuple[str, ...]:
        return self.model.needs()

    def stands_on(self) -> tuple[str, ...]:
        return ()  # the model asks by class who is set apart

    def described(self) -> Floats:
        """The (C, a) attributes of the diseases of the model's classes."""
        of_code = {code: self.descriptions[disease] for disease, code in self.seen.items()}
        return np.array([of_code[code] for code in self.model.classes])


class ZeroShot(FederatedProtocol[ZeroShotSpec, ZeroShotResult]):
    """A linear map from features to descriptions of diseases."""

    name = "zero_shot"
    spec_type = ZeroShotSpec

    def axes(self, spec: ZeroShotSpec) -> dict[str, int]:
        return {}

    def coordinate(self, spec: ZeroShotSpec) -> Coordination[ZeroShotResult]:
        found = yield from within(protocol("typing").coordinate(spec.model), part=("model",))
        return learned(spec, found)

    def method(self, spec: ZeroShotSpec) -> str:
        return (
            f"A linear map was learned from {listed(spec.model.measured)} to descriptions of "
            f"{len(spec.seen)} diseases by ridge regression on both sides (Romera-Paredes & Torr 2015), and "
            f"{len(spec.descriptions) - len(spec.seen)} diseases without training cases are ranked by it."
        )

    def about(self, spec: ZeroShotSpec) -> str:
        return (
            f"Which described disease {', '.join(spec.model.measured)} resemble, learned from people whose "
            f"{spec.model.outcome} is known."
        )

    def notes(self, spec: ZeroShotSpec) -> Sequence[str]:
        return ["Descriptions come with the study; nothing is asked but the model's own sums."]


def learned(spec: ZeroShotSpec, found: TypingResult) -> ZeroShotResult:
    """The map V = (X'X + g I)^-1 X'Y S (S'S + l I)^-1, of sums that a class-conditional model holds."""
    n, mean = found.n.astype(np.float64), found.mean
    total = n.sum()
    center, spread = np.zeros(mean.shape[1]), np.ones(mean.shape[1])
    products = total * found.covariance[0] + (mean.T * n) @ mean
    if spec.standardized:
        center = n @ mean / total
        apart = mean - center
        products = total * found.covariance[0] + (apart.T * n) @ apart
        spread = np.sqrt(np.diag(products) / total)
    products = products / np.outer(spread, spread)
    by_class = ((mean - center) / spread).T * n  # (p, C)
    if spec.coding == "minus1_1":
        by_class = 2 * by_class - by_class.sum(axis=1, keepdims=True)
    s = spec.described()
    left = products + spec.ridge * np.eye(len(products))
    right = s.T @ s + spec.ridge_of_descriptions * np.eye(s.shape[1])
    weights = np.linalg.solve(right, np.linalg.solve(left, by_class @ s).T).T
    names = tuple(spec.descriptions)
    return ZeroShotResult(
        outcome=spec.model.outcome,
        features=spec.model.measured,
        n=found.n,
        diseases=names,
        seen=np.array([name in spec.seen for name in names]),
        descriptions=np.array([spec.descriptions[name] for name in names]),
        center=center,
        spread=spread,
        weights=np.asarray(weights, dtype=np.float64),
        allowance=spec.allowance,
    )
