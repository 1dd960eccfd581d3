"""The questions about sets of variants: their tests, and the saddle point of a burden where cases are few.

The score of a burden is not normal where few people have the outcome. Its p-value is then that of the saddle
point (`score_test`), and as R's `SKATBinary_Robust` does, the covariance of the set is made larger by what
that changes of the burden's variance, never smaller, before SKAT and SKAT-O are asked again. R makes each
variant's own variance larger before, which no secret basis allows.

Reference: Zhao et al., Am J Hum Genet 106 (2020) 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import chi2

from protocols.core.disclosure import Array
from protocols.core.errors import ShadowgraphError
from protocols.core.lockstep import settled
from protocols.core.protocol import Ask, Coordination, Total
from protocols.core.table import Floats, Integers
from protocols.genomics.kernel_tests import SetTests
from protocols.genomics.rare_columns import SetColumns
from protocols.genomics.rare_null import Null
from protocols.genomics.score_test import FAR, Scores, saddle_points
from protocols.genomics.secret_kernel import SecretKernel, read_tests


@dataclass(frozen=True)
class Answered:
    """The tests of a set, with weights times `unit`, and what the burden has (t,) `along` the design.

    Attributes:
        no_saddle_point: whether the burden's score is far out and none was found.
    """

    columns: SetColumns
    unit: float
    tests: SetTests
    along: Floats
    no_saddle_point: bool = False

    def on_scale(self) -> SetTests:
        """The tests with the weights as they are."""
        found, unit = self.tests, self.unit
        return replace(found, effect=found.effect * unit, se=found.se * unit, q=found.q / unit**2)


def asked(
    columns: Sequence[SetColumns], null: Null, *, logistic: bool
) -> Coordination[list[Answered | ShadowgraphError]]:
    """The tests of sets, or why one could not be tested."""
    found = yield from settled([_one_set(one, null) for one in columns])
    if not logistic:
        return found
    places = [i for i, one in enumerate(found) if isinstance(one, Answered)]
    known = [one for one in found if isinstance(one, Answered)]
    if known:
        again = yield from _by_saddle_point(known, null)
        for place, answer in zip(places, again, strict=True):
            found[place] = answer
    return found


def _one_set(columns: SetColumns, null: Null, stretch: float = 1.0) -> Coordination[Answered]:
    """The tests of one set; weights go as near to 1 as a power of two brings them, for their digits' sake.

    `stretch` is what its covariance is multiplied with.
    """
    unit = 2.0 ** -round(float(np.log2(columns.weight.max())))
    scaled = replace(columns, weight=columns.weight * unit)
    secret = SecretKernel(len(columns.weight), null.covariance, null.variance * stretch)
    yield Ask("kernel", {**scaled.question(), **null.question()}, secret="climb", climb=secret)
    agreed = yield Ask("kernel", secret="close", climb=secret)
    return Answered(scaled, unit, read_tests(agreed), np.asarray(agreed["along"], dtype=np.float64))


def _by_saddle_point(sets: Sequence[Answered], null: Null) -> Coordination[list[Answered | ShadowgraphError]]:
    """The sets with the saddle point's variance of their burdens where these are far out."""
    total = np.array([one.columns.two_of_burden() for one in sets])
    se = np.array([one.tests.se for one in sets])
    effect = np.array([one.tests.effect for one in sets])
    burdens = Scores(  # in copies, of which hardly anybody has more than two
        effect / se**2 / total,
        1 / se**2 / total**2,
        np.array([one.along for one in sets]) / total[:, None],
    )
    mean = np.array([one.columns.burden_mean() for one in sets]) / total

    def evaluate(places: Integers, tilt: Floats) -> Coordination[Mapping[str, Array]]:
        questions = []
        for place, sides in zip(places.tolist(), tilt, strict=True):
            columns = replace(sets[place].columns, weight=sets[place].columns.weight / total[place])
            about: dict[str, Array] = {"along": burdens.along[place], "tilt": sides}
            questions.append(Ask("tilted", {**columns.question(), **about, **null.question()}))
        answers: tuple[Total, ...] = yield tuple(questions)
        return {
            name: np.stack([a[name] for a in answers]) for name in ("cumulant", "first", "second", "reach")
        }

    p, lost = yield from saddle_points(burdens, mean, evaluate)
    z = np.abs(burdens.z)
    with np.errstate(divide="ignore", invalid="ignore"):
        stretch = np.where((z >= FAR) & ~lost, np.maximum(z**2 / chi2.isf(p, 1), 1.0), 1.0)
    places = np.flatnonzero(np.isfinite(stretch) & (stretch > 1))
    found: list[Answered | ShadowgraphError] = [
        replace(one, no_saddle_point=bool(none)) for one, none in zip(sets, lost, strict=True)
    ]
    original = [
        replace(sets[i].columns, weight=sets[i].columns.weight / sets[i].unit) for i in places.tolist()
    ]
    again = yield from settled(
        [_one_set(one, null, float(stretch[i])) for one, i in zip(original, places.tolist(), strict=True)]
    )
    for place, answer in zip(places.tolist(), again, strict=True):
        found[place] = answer
    return found
