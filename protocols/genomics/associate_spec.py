"""What is asked of a scan: features, outcomes, confounders, and how they are tested."""

from typing import Literal

from pydantic import Field, model_validator

from protocols.core.axis import Features, FromBlock, listed_in
from protocols.core.protocol import Spec
from protocols.core.variables import Name
from protocols.estimation.moments import Intercepts
from protocols.genomics.moderation import FEWEST_FEATURES

_MOST_DERIVATIVES = 5_000_000  # a message of 80 MB, masked


class AssociateSpec(Spec):
    """Which features with which outcomes.

    Attributes:
        features: numeric variables, or a block, each tested on its own.
        outcomes: numeric variables; 0/1 variables for logistic models.
        confounders: numeric variables in every model.
        intercepts: one for all, or one for each site (not logistic).
        model: linear or logistic: each outcome explained by a feature; moderated: each feature, as a gene's
            logarithmic expression, by an outcome, with variances moderated over all features.
        trend: whether a moderated variance goes with the feature's mean, as that of counts' logarithms does.
        max_rounds: of a logistic scan; odds ratios of thousands for a standard deviation may take more.
    """

    protocol: Literal["associate"] = "associate"
    features: Features
    outcomes: tuple[Name, ...] = Field(min_length=1, max_length=5000)
    confounders: tuple[Name, ...] = Field(default=(), max_length=100)
    intercepts: Intercepts = "common"
    model: Literal["linear", "logistic", "moderated"] = "linear"
    trend: bool = False
    max_rounds: int = Field(default=8, ge=5, le=25)

    @model_validator(mode="after")
    def _is_possible(self) -> "AssociateSpec":
        names = self.variables()
        if len(set(names)) != len(names):
            raise ValueError("a variable is listed twice in features, outcomes and confounders")
        if self.model == "logistic" and self.intercepts == "site":
            raise ValueError("logistic models have a common intercept; use indicators as confounders")
        few = not isinstance(self.features, FromBlock) and len(self.features) < FEWEST_FEATURES
        if self.model == "moderated" and few:
            raise ValueError(f"variances are moderated over at least {FEWEST_FEATURES} features")
        if self.trend and (self.model != "moderated" or self.intercepts == "site"):
            raise ValueError(
                "a trend is of a moderated model, over means that `intercepts: site` never asks for"
            )
        many = 1 if isinstance(self.features, FromBlock) else len(self.features)  # a block's go in chunks
        numbers = many * len(self.outcomes) * (len(self.confounders) + 2) ** 2
        if self.model == "logistic" and numbers > _MOST_DERIVATIVES:
            raise ValueError("too many second derivatives for a message: use fewer models or confounders")
        return self

    def variables(self) -> tuple[str, ...]:
        return (*self.confounders, *listed_in(self.features), *self.outcomes)

    def stands_on(self) -> tuple[str, ...]:
        return self.confounders  # the others are left out one by one

    def scans_beside(self) -> tuple[str, ...]:
        return self.confounders
