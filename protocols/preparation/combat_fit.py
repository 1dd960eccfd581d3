"""What ComBat found: grand means, effects and variances from the joined moments, as numbers and a figure."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from protocols.core.axis import FromBlock, names_of
from protocols.core.errors import Code, StudyError
from protocols.core.figure import Figure, NoFigure
from protocols.core.protocol import Arrays
from protocols.core.roles import Applicable
from protocols.core.table import Floats, Mask
from protocols.estimation.newton import check_rank
from protocols.results.figures import left_out, matrix


@dataclass(frozen=True)
class CombatResult(Applicable):
    """What all sites share of a harmonization; each batch's location and scale stay at its site.

    Attributes:
        features: (g,) names; covariates: (p,) names.
        grand_mean: (g,) mean of the feature, batches weighted by their people, covariates at 0.
        effects: (p, g) of the covariates on the features.
        variance: (g,) pooled within batches, covariates taken out, divisor n.
        n: people; batches: over all sites; left_out: people of batches too small to be estimated.

    Names of a block that are not harmonized, since they do not vary or a batch hardly has them, are missing.

    >>> from protocols.exchange.example import run_example
    >>> found = run_example(protocol="combat", features=["volume", "entropy"], covariates=["idh1"])
    >>> found.summary().round(1)
             grand_mean    sd  effect_idh1
    volume         64.7  20.2        -15.9
    entropy         4.8   0.6         -0.7
    """

    features: tuple[str, ...]
    covariates: tuple[str, ...]
    grand_mean: Floats
    effects: Floats
    variance: Floats
    n: int
    batches: int
    left_out: int

    def summary(self) -> pd.DataFrame:
        frame = pd.DataFrame(
            {"grand_mean": self.grand_mean, "sd": np.sqrt(self.variance)}, list(self.features)
        )
        return frame.assign(
            **{f"effect_{name}": row for name, row in zip(self.covariates, self.effects, strict=True)}
        )

    def figure(self) -> Figure | NoFigure:
        if not self.covariates:
            return NoFigure(
                "no covariate was kept, and the batches' own locations and scales stay at their sites"
            )
        effects = (self.effects / np.sqrt(self.variance)).T
        return Figure(
            (matrix(self.features, self.covariates, effects, measure="standard deviations per unit"),),
            "What the harmonization keeps: covariates' effects on the features, in standard deviations "
            f"within batches. {left_out('features', len(self.features))}".strip(),
        )

    def transform_arrays(self) -> dict[str, Floats]:
        arrays = self.named("grand_mean", "effects", "variance")
        return {name: np.nan_to_num(array) for name, array in arrays.items()}  # a variance of 0: left out


def solved(
    features: tuple[str, ...] | FromBlock,
    covariates: tuple[str, ...],
    method: str,
    total: Arrays,
    scales: tuple[Floats, Floats],
) -> CombatResult:
    """The global result from the joined moments of covariates and features times their scales.

    Raises:
        StudyError: rank-deficient; names the covariates that add nothing within batches, or the
            features that do not vary.
    """
    n, (x_scale, y_scale) = int(total["n"]), scales
    xx: Floats = np.asarray(total["xx"], dtype=np.float64)
    check_rank(xx, covariates)
    d = 1 / np.sqrt(np.diag(xx))
    effects = d[:, None] * np.linalg.solve(xx * np.outer(d, d), total["xy"] * d[:, None])
    squares = total["yy"] - (effects * total["xy"]).sum(axis=0)
    still = squares <= 1e-12 * np.maximum(total["yy"], (total["y_sum"] / n) ** 2 * 1e-12)
    out = _left_out(features, method, still, np.asarray(total.get("lacking", np.zeros(still.shape))) > 0)
    return CombatResult(
        names_of(features),
        covariates,
        np.where(out, np.nan, (total["y_sum"] - total["x_sum"] @ effects) / n / y_scale),
        np.where(out, np.nan, effects * x_scale[:, None] / y_scale),
        np.where(out, np.nan, squares / n / y_scale**2),
        n,
        int(total["batches"]),
        int(total["left_out"]),
    )


def _left_out(features: tuple[str, ...] | FromBlock, method: str, still: Mask, lacking: Mask) -> Mask:
    """(g,) the names of a block that are not harmonized; listed features all are.

    Raises:
        StudyError: rank-deficient; a listed feature does not vary, or fewer names of a block are left than
            the method needs.
    """
    if not isinstance(features, FromBlock) and still.any():
        names = ", ".join(name for name, s in zip(names_of(features), still, strict=True) if s)
        raise StudyError(
            Code.RANK_DEFICIENT, f"does not vary within batches: {names}", "remove these features"
        )
    out: Mask = still | lacking
    if (~out).sum() < (1 if method == "no_eb" else 2):
        raise StudyError(
            Code.RANK_DEFICIENT,
            f"fewer names vary, and are known, within all batches than {method} needs",
            "leave out the batch that lacks them, or use another block",
        )
    return out
