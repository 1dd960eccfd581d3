"""The model of joined sums by class, and the thresholds of sets of classes by joined scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.applications.class_model import shrunken
from protocols.applications.typing_result import TypingResult
from protocols.applications.typing_spec import TypingSpec
from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, StudyError
from protocols.core.protocol import Arrays, Total
from protocols.core.table import Floats, Integers, Mask

_ROUNDED = 1e-9  # what a rank may lie above a whole number by rounding

_FLAT = 1e-10
"""The least variance, of that over all, along which a class is spread."""


def thresholds(spec: TypingSpec, scores: Integers, min_count: int) -> tuple[Floats, Integers]:
    """The (class,) thresholds by a (class, bin) histogram of scores, and the (class,) people they cover.

    The least edge at or below which ceil((n + 1) (1 - miss)) of n people are, or 1 where these are too few:
    then the set has every class.

    Raises:
        StudyError: withheld; a class has fewer than `min_count` people who calibrate.
    """
    assert spec.conformal is not None
    few = scores.sum(axis=1) < min_count
    if few.any():
        raise _too_few(spec, few, min_count, "people who calibrate")
    own = scores if spec.conformal.within == "class" else np.broadcast_to(scores.sum(axis=0), scores.shape)
    below, n = np.cumsum(own, axis=1), own.sum(axis=1)
    rank = np.ceil((n + 1) * (1 - spec.conformal.miss) - _ROUNDED).astype(np.int64)
    edge = (below < rank[:, None]).sum(axis=1) + 1
    edge = np.minimum(edge, scores.shape[1])
    covered = np.take_along_axis(np.cumsum(scores, axis=1), edge[:, None] - 1, axis=1)[:, 0]
    return edge / scores.shape[1], covered


def split(spec: TypingSpec, columns: NDArray[Any]) -> list[NDArray[Any]]:
    """The (class, level) columns of each coded feature."""
    return np.split(columns, np.cumsum(spec.sizes())[:-1], axis=1) if spec.coded else []


def check_classes(spec: TypingSpec, people: Total) -> None:
    """Raises unless each class, and each measured feature in it, stands on enough people of enough sites.

    Raises:
        StudyError: withheld; names the classes or features.
    """
    floor, floors = people.min_count, people.floors
    few = people["people"] < floors
    if few.any():
        raise _too_few(spec, few, floor, "people")
    if spec.wide() and (few := people["complete"] < floors).any():
        raise _too_few(spec, few, floor, "people with all measured features")
    fewest = min(len(people.sites), Thresholds().min_sites_in_sum)
    if (few := people["present"] < fewest).any():
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {fewest} sites have enough people of {spec.outcome} {_named(spec, few)}: "
            "they would see each other's part",
            "merge the class with another, or let more sites take part",
        )
    names = np.array(spec.measured, dtype=object)
    if (few := (people["apart"] < floors).any(axis=0)).any():
        raise StudyError(
            Code.WITHHELD,
            f"fewer than {floor} people of a class differ from the rest in {', '.join(names[few])}",
            "name it under `coded` if it has levels, or remove it",
        )
    if (dominated := (people["dominated"] > 0).any(axis=0)).any():
        raise StudyError(
            Code.WITHHELD,
            f"one or two people of a class make up nearly all of {', '.join(names[dominated])}",
            "use its logarithm or rank",
        )


def _named(spec: TypingSpec, which: Mask) -> str:
    return ", ".join(f"{code:g}" for code, named in zip(spec.classes, which, strict=True) if named)


def _too_few(spec: TypingSpec, which: Mask, floor: int, what: str) -> StudyError:
    return StudyError(
        Code.WITHHELD,
        f"fewer than {floor} {what} have {spec.outcome} {_named(spec, which)}",
        "merge the class with another, or widen the cohort",
    )


def fitted(
    spec: TypingSpec,
    total: Arrays,
    mean: Floats,
    scale: Floats,
    shown: Integers,
    enough: Mask,
    min_count: int,
) -> TypingResult:
    """The model of joined sums about a (feature,) mean and scale.

    Args:
        shown, enough: (class, level) which levels were asked for, and which stand on enough people.
    """
    people, known = total["people"], np.maximum(total["known"], 1)
    center = total["rest"] / known
    variance = total["square"] / known - center**2
    if spec.covariance == "diagonal":
        covariance = variance[:, :, None] * np.eye(len(spec.measured))
    else:
        n = total["complete"][:, None]
        own = total["together"] / n
        products = total["products"] / n[..., None] - own[:, :, None] * own[:, None, :]
        covariance = products
        if spec.covariance == "shared":
            within = np.tensordot(people / people.sum(), products, 1)
            covariance = np.broadcast_to(within, products.shape)
        center = own
    covariance = shrunken(covariance * np.outer(scale, scale), spec.shrinkage)
    _check_definite(spec, covariance / np.outer(scale, scale))
    counts = np.hstack(
        [np.zeros((len(people), 0))]
        + [
            level_counts(n, asked, stands, with_code, min_count)
            for n, asked, stands, with_code in zip(
                *(split(spec, part) for part in (total["counts"], shown, enough)),
                total["with_code"].T,
                strict=True,
            )
        ]
    )
    more = [
        (part + spec.laplace) / (part + spec.laplace).sum(axis=1, keepdims=True)
        for part in split(spec, counts)
    ]
    return TypingResult(
        outcome=spec.outcome,
        classes=spec.classes,
        n=np.asarray(people, dtype=np.int64),
        prior=np.array(spec.prevalences) if spec.prevalences else people / people.sum(),
        measured=spec.measured,
        known=np.asarray(total["known"], dtype=np.int64),
        mean=mean + scale * center,
        covariance=covariance,
        levels=spec.levels(),
        sizes=spec.sizes(),
        shares=np.hstack([np.zeros((len(people), 0)), *more]),
        guessed=shown == 0,
        sets=None,
    )


def level_counts(
    counts: Integers, shown: Integers, enough: Mask, with_code: Integers, min_count: int
) -> Floats:
    """(class, levels) people with each level of a coded feature; of those not shown, what is left of them.

    A level under the floor has half of `min_count` people, as far as there are so many; the one hidden with
    it has the others.
    """
    found = np.where(shown == 1, counts, 0).astype(np.float64)
    for c, row in enumerate(found):
        hidden, rest = shown[c] == 0, float(with_code[c] - row.sum())
        few, others = hidden & ~enough[c], hidden & enough[c]
        if not hidden.any():
            continue
        row[few] = min(min_count / 2, rest / hidden.sum())
        spread = others if others.any() else hidden
        row[spread] += (rest - row[few].sum()) / spread.sum()
    return found


def _check_definite(spec: TypingSpec, scaled: Floats) -> None:
    """Raises unless the (C, p, p) matrices of scaled features are those of a distribution with a density.

    Raises:
        StudyError: rank-deficient; names the class.
    """
    if not spec.measured:
        return
    flat = np.linalg.eigvalsh(scaled)[:, 0] <= _FLAT
    if flat.any():
        raise StudyError(
            Code.RANK_DEFICIENT,
            f"measured features of {spec.outcome} {_named(spec, flat)} do not vary, or follow from others",
            "remove features, or use `covariance: diagonal` or a `shrinkage`",
        )
