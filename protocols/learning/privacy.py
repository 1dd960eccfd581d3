"""What an analyst asks of the privacy of a person's values, and whether a plan keeps it.

Reference: Abadi et al., CCS 2016; Dwork & Roth, The Algorithmic Foundations of Differential Privacy (2014),
ch. 3.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from protocols.core import accountant
from protocols.core.table import Floats


class Privacy(BaseModel):
    """A budget and how gradient steps keep to it.

    Attributes:
        epsilon, delta: the budget of one fit.
        clip: length of a person's own gradient at most.
        noise: its standard deviation over all sites, in units of `clip`.
        sampling: the chance of each person to be in a round.
        honest_sites: each site adds its share of the noise; that of so many is enough. With the default, two
            of three, a site that knows its own share and takes it off still faces the whole noise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epsilon: float = Field(gt=0, le=50)
    delta: float = Field(gt=0, lt=1)
    clip: float = Field(default=1.0, gt=0, le=1e6)
    noise: float = Field(ge=accountant.LEAST_NOISE, le=1e4)
    sampling: float = Field(default=1.0, gt=1e-6, le=1)
    honest_sites: int = Field(default=2, ge=1, le=50)

    def spent(self, steps: int) -> float:
        """The epsilon that so many steps spend."""
        return accountant.spent(self.noise, self.sampling, steps, self.delta)

    def curve(self) -> Floats:
        """What one step spends: (orders,) Rényi divergences of `accountant.ORDERS`."""
        return accountant.divergence(self.noise, self.sampling)

    def check(self, steps: int) -> None:
        """Raises unless so many steps stay within the budget.

        Raises:
            ValueError: they do not; it names the noise that would.
        """
        if self.spent(steps) <= self.epsilon:
            return
        noise = accountant.noise_for(self.epsilon, self.sampling, steps, self.delta)
        way = f"noise: {np.ceil(noise * 100) / 100:g}" if noise else "fewer rounds"
        raise ValueError(
            f"{steps} rounds would spend an epsilon of {self.spent(steps):.2f}, more than {self.epsilon:g}: "
            f"choose {way}"
        )

    def deviation_at_a_site(self) -> float:
        """The standard deviation of the noise that one site adds, so that `honest_sites` make the whole."""
        return float(self.noise * self.clip / np.sqrt(self.honest_sites))

    def describe(self, steps: int) -> Sequence[str]:
        """The same in words for who approves it."""
        spent = self.spent(steps)
        return (
            "The number of people with complete data leaves as it is.",
            f"A person's gradient is drawn with a chance of {self.sampling:g} and shortened to "
            f"{self.clip:g}; the noise is {self.noise:g} times that.",
            f"Differential privacy: epsilon {spent:.3g} at delta {self.delta:g}. Whoever sees all of it can "
            f"make the odds of a guess about one person's values at most {np.exp(spent):.3g} times larger or "
            f"smaller, but for a chance of {self.delta:g}. A site answers each of the {steps} rounds once.",
            f"It rests on {self.honest_sites} sites that add their noise and keep it to themselves. It does "
            "not cover the number of people, other analyses of them, or a validation, which fits the network "
            "again and counts its scores as they are: each fit spends as much.",
        )
