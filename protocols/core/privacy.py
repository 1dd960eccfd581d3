"""Differential privacy of an analysis: whatever leaves is a sum with noise that hides any single person.

An analysis with `privacy` asks one step alone, `private_sums`: the sum over people of a row of numbers, each
row shortened to length 1, so that one person changes the sum by a vector of length 1 at most, whatever the
row says. Every site adds its share of normal noise before anything is masked (`exchange/site_answer.py`);
no floor looks at counts, for a floor is itself told by who is there. Epsilon and delta of all rounds follow
from the study alone (`accountant.py`) and hold against everybody who sees the sums, the other sites too.

Two tables are neighbours when one person is in one of them and not in the other.

Reference: Dwork & Roth, The Algorithmic Foundations of Differential Privacy (2014), ch. 3; Dwork, Kenthapadi,
McSherry, Mironov & Naor, EUROCRYPT 2006, for noise in shares.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from protocols.core import accountant
from protocols.core.disclosure import Array, NoisySum
from protocols.core.site_step import Arrays, Times, site_step
from protocols.core.spec import Spec
from protocols.core.table import AnalysisTable, Floats

STEP = "private_sums"
AXIS = "private"
"""The axis of the numbers that a row has."""

Rows = Any
"""(n, q) numbers of people; where most are 0, sparse."""

Range = tuple[float, float]

MOST_ROUNDS = 50
_LONGER = 1 + 1e-12  # than 1, by rounding


class Privacy(BaseModel):
    """The budget of one analysis.

    Attributes:
        epsilon, delta: what all of its rounds spend together.
        honest_sites: sites whose shares of the noise make the whole. With the default, two of three, a site
            that takes its own share off again still faces the whole noise.
        ranges: the lowest and highest value of a variable, known to everybody before; others count as these.
            Where it names none, the study's `ranges` hold.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: float = Field(gt=0, le=20)
    delta: float = Field(gt=0, le=1e-3)
    honest_sites: int = Field(default=2, ge=1, le=50)
    ranges: dict[str, Range] = Field(default={}, max_length=2000)

    @model_validator(mode="after")
    def _ranges_are_some(self) -> Self:
        for name, (low, high) in self.ranges.items():
            if not (np.isfinite((low, high)).all() and low < high):
                raise ValueError(f"ranges: {name} has no lowest value below its highest")
        return self

    def deviation(self, rounds: int) -> float:
        """The standard deviation of the whole noise, in the lengths of a person's row."""
        return _deviation(self.epsilon, self.delta, rounds)

    def deviation_at_a_site(self, rounds: int) -> float:
        """That of one site's share: `honest_sites` of them make the whole."""
        return self.deviation(rounds) / float(np.sqrt(self.honest_sites))

    def curve(self, rounds: int) -> Floats:
        """What one answered round spends: (orders,) Rényi divergences of `accountant.ORDERS`."""
        return accountant.divergence(self.deviation(rounds), 1.0)


@lru_cache(maxsize=256)
def _deviation(epsilon: float, delta: float, rounds: int) -> float:
    noise = accountant.noise_for(epsilon, 1.0, rounds, delta)
    if noise is None:
        raise ValueError(f"no noise keeps {rounds} rounds within an epsilon of {epsilon:g}")
    return noise


class MayBePrivate(Spec):
    """An analysis that can be asked for with noise.

    Attributes:
        privacy: of the people in it; None where sums leave as they are.
    """

    privacy: Privacy | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The spec without a privacy that it does not ask for: studies from before it keep their hash."""
        content: dict[str, Any] = dump(self)
        return {name: one for name, one in content.items() if name != "privacy" or one is not None}

    @model_validator(mode="after")
    def _can_be_private(self) -> Self:
        if self.privacy is not None:
            if why := self.not_private():
                raise ValueError(why)
            self.privacy.deviation(self.private_rounds())
        return self

    def without_range(self) -> tuple[str, ...]:
        """The variables whose range must be known before and is not."""
        ranges = self.privacy.ranges if self.privacy else {}
        return tuple(name for name in self.ranged() if name not in ranges) if self.privacy else ()

    def with_ranges(self, ranges: Mapping[str, Range]) -> Self:
        """The analysis with a study's ranges of the variables for which it names none of its own."""
        known = {name: ranges[name] for name in self.without_range() if name in ranges}
        if self.privacy is None or not known:
            return self
        privacy = self.privacy.model_copy(update={"ranges": {**self.privacy.ranges, **known}})
        return self.model_copy(update={"privacy": privacy})

    def fewest_sites(self) -> int:
        """With privacy, those whose noise it rests on."""
        return max(super().fewest_sites(), self.privacy.honest_sites if self.privacy else 1)

    def not_private(self) -> str:
        """Why this analysis, as it is specified, has no form with noise; empty where it has one."""
        return ""

    def ranged(self) -> tuple[str, ...]:
        """The variables whose range must be known before."""
        return ()

    def private_rounds(self) -> int:
        """How many noisy sums are asked."""
        return 1

    def private_size(self, arrays: Mapping[str, Array]) -> int:
        """How many numbers a row has in a question with these arrays."""
        raise NotImplementedError

    def private_rows(self, table: AnalysisTable, **arrays: Any) -> Rows:
        """(n, q) a row for each person; a longer one than 1 is shortened."""
        raise NotImplementedError

    def scaled(self, table: AnalysisTable, names: Sequence[str]) -> Floats:
        """(n, k) of named variables from -1, the lowest value, to 1, the highest; NaN where missing."""
        low, high = self.bounds(names)
        x = np.clip(table.matrix(names), low, high)
        return np.asarray(2 * (x - low) / (high - low) - 1, dtype=np.float64)

    def bounds(self, names: Sequence[str]) -> tuple[Floats, Floats]:
        """(k,) lowest and (k,) highest values."""
        assert self.privacy is not None
        found = np.array([self.privacy.ranges[name] for name in names], dtype=np.float64).reshape(-1, 2)
        return found[:, 0], found[:, 1]


def asks_for_noise(spec: Spec) -> bool:
    """Whether the study asks an analysis for noisy sums, and for nothing else."""
    return isinstance(spec, MayBePrivate) and spec.privacy is not None


def spends(spec: Spec) -> tuple[Floats, int] | None:
    """What a noisy round of an analysis spends, (orders,), and how many it has; None without noise."""
    if not isinstance(spec, MayBePrivate) or spec.privacy is None:
        return None
    rounds = spec.private_rounds()
    return spec.privacy.curve(rounds), rounds


@site_step(
    times=lambda spec: Times(0, MOST_ROUNDS),
    varies=("arrays",),
    sums=NoisySum(AXIS, what="sums with noise of rows of length 1"),
)
def private_sums(spec: Any, table: AnalysisTable, **arrays: Array) -> Arrays:
    """The sum over people here of their rows, none longer than 1; who hands it on adds the noise."""
    numbers = {name: array for name, array in arrays.items() if name != "round"}
    return {"sums": summed(spec.private_rows(table, **numbers))}


def summed(rows: Rows) -> Floats:
    """The (q,) sum of (n, q) rows, longer ones shortened to 1."""
    from scipy.sparse import issparse  # who only lists studies does not wait for scipy

    if issparse(rows):
        length = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    else:
        length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    shortened = 1 / np.maximum(length, 1.0)
    shortened[length <= _LONGER] = 1.0
    return np.asarray(rows.T @ shortened, dtype=np.float64).ravel()


@dataclass(frozen=True)
class Noised:
    """How far a result is from the numbers without noise.

    Attributes:
        epsilon, delta: what was spent.
        deviation: standard deviation of the noise of a single sum, in the lengths of a row.
        sites: that added a share.
    """

    epsilon: float
    delta: float
    deviation: float
    sites: int

    @classmethod
    def of(cls, spec: MayBePrivate, sites: int) -> Self:
        """Of an analysis whose sums hold the shares of so many sites."""
        assert spec.privacy is not None
        share = spec.privacy.deviation_at_a_site(spec.private_rounds())
        return cls(spec.privacy.epsilon, spec.privacy.delta, float(share * np.sqrt(sites)), sites)

    def words(self) -> str:
        """The same in a sentence."""
        return (
            f"Differential privacy: epsilon {self.epsilon:g} at delta {self.delta:g}; each sum bears normal "
            f"noise of standard deviation {self.deviation:.3g} (in units of one person), from {self.sites} "
            "hospitals."
        )


@dataclass(frozen=True)
class MayBeNoised:
    """A result that bears noise where its study asks for privacy."""

    noised: Noised | None = field(default=None, kw_only=True)


def described(spec: MayBePrivate) -> Sequence[str]:
    """What an analysis with privacy discloses, in words for who approves it."""
    privacy = spec.privacy
    assert privacy is not None
    rounds = spec.private_rounds()
    times = "once" if rounds == 1 else f"{rounds} times"
    size = spec.private_size({})
    odds = np.exp(privacy.epsilon)
    return (
        f"Leaves in a sum over sites, {times}: sums with noise, {size} numbers of which one person changes "
        f"no more than a length of 1; the noise of {privacy.honest_sites} sites has a standard deviation of "
        f"{privacy.deviation(rounds):.3g}.",
        f"Differential privacy: epsilon {privacy.epsilon:g} at delta {privacy.delta:g}. Whoever sees all of "
        f"it can make the odds of a guess about one person at most {odds:.3g} times larger or smaller, but "
        f"for a chance of {privacy.delta:g}.",
        f"It rests on {privacy.honest_sites} sites that add their noise and keep it to themselves, and on "
        "ranges that are known before. It does not cover other analyses of the same people: this site keeps "
        "what each person has spent.",
    )
