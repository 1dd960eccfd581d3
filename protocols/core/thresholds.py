"""The floors of disclosure, and what sites say in a sum of whether people reach them."""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[np.float64] | NDArray[np.int64]


class Thresholds(BaseModel):
    """The floors of disclosure; a study or a site may only raise them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_count: int = Field(default=10, ge=10)
    min_count_in_sum: int = Field(default=5, ge=5)
    min_sites_in_sum: int = Field(default=3, ge=3)
    max_parameters_per_person: float = Field(default=0.33, gt=0, le=0.33)

    def floors(self) -> int:
        """How many times `min_count_in_sum` people are `min_count` people or more."""
        return -(-self.min_count // self.min_count_in_sum)

    def band(self, counts: Array) -> Array:
        """What a site says in a sum of (...) counts of people: see `Band`.

        Twice its whole floors, and of `min_count` people or more one less than that.
        """
        floors = np.minimum(counts // self.min_count_in_sum, self.floors())
        return np.asarray(2 * floors - (floors == self.floors())).astype(np.int64)

    def enough(self, sites: int) -> int:
        """What the joined bands of so many sites come to where `min_count` people stand behind an entry.

        Each site of a secure sum may take its own part away, so there they are that many without any one of
        them. With f = `floors()`, the largest site says at most 2f - 1, and the others less than that as long
        as they have fewer than f floors together: so 4f - 2 are not reached without f floors beside it.
        In a plain sum of fewer sites each shows its own part anyway.
        """
        alone = 2 * self.floors() - 1
        return alone if sites < self.min_sites_in_sum else 2 * alone

    def stricter(self, other: "Thresholds") -> "Thresholds":
        """The stricter of both, rule by rule."""
        return Thresholds(
            min_count=max(self.min_count, other.min_count),
            min_count_in_sum=max(self.min_count_in_sum, other.min_count_in_sum),
            min_sites_in_sum=max(self.min_sites_in_sum, other.min_sites_in_sum),
            max_parameters_per_person=min(self.max_parameters_per_person, other.max_parameters_per_person),
        )
