"""How well scores and risks predicted survival: what a site adds up of one fold, and what the sums say."""

import numpy as np
from scipy.special import expit

from protocols.core.protocol import Arrays
from protocols.core.table import Floats, Integers
from protocols.estimation.roc import bin_of
from protocols.survival.concordance import pairs
from protocols.survival.life_table import FollowUp

BINS = 200
"""Of the score, for the AUC by day."""

COUNTS = ("concordant", "discordant", "tied_score", "tied_time", "tied_both")
"""Of pairs, in the order in which they leave."""


def censoring_and_survival(counts: Arrays) -> tuple[Floats, Floats]:
    """(bins + 1,) the shares still followed, and with the event, at each edge; events before censorings."""
    at_risk, events, left = (np.asarray(counts[name], float) for name in ("at_risk", "events", "left"))
    censored, without = left - events, np.maximum(at_risk - events, 1.0)
    followed = np.append(1.0, np.cumprod(1 - np.minimum(censored / without, 1.0)))
    alive = np.append(1.0, np.cumprod(1 - events / np.maximum(at_risk, 1.0)))
    return followed, 1 - alive


def nothing(days: int) -> dict[str, Floats]:
    """The sums of nobody."""
    shapes = {"cases": (days, BINS), "controls": (days, BINS), "squares": (days,), "expected": (days,)}
    shapes |= {"harrell": (len(COUNTS),), "uno": (len(COUNTS),)}
    shapes |= {"harrell_squares": (3,), "uno_squares": (3,)}
    zeros: dict[str, Floats] = {name: np.zeros(shape) for name, shape in shapes.items()}
    return zeros | {name: np.array(0) for name in ("n", "n_events")}


def measures(
    people: FollowUp, edges: Floats, days: Integers, score: Floats, risk: Floats, followed: Floats
) -> dict[str, Floats]:
    """What one fold adds to the sums.

    Args:
        people: (n,) follow-up; edges: of the grid.
        days: (T,) intervals by whose end survival is predicted.
        score, risk: (n,) and (n, T).
        followed: shares not censored at each edge.
    """
    on = people.on(edges)
    last = on.time.astype(np.int64)
    before = np.maximum(followed[np.clip(last - 1, 0, len(followed) - 1)], 1e-3)
    weight = np.where(on.event, 1 / before, 0.0)
    found: dict[str, Floats] = {"n": np.array(len(score)), "n_events": np.array(people.event.sum())}
    for name, weights in (("harrell", None), ("uno", 1 / before**2)):
        counted_pairs = pairs(people, score, weights)
        found[name] = np.array([vars(counted_pairs)[count] for count in COUNTS])
        found[f"{name}_squares"] = counted_pairs.squares
    bins = bin_of(expit(score), BINS)
    cases, controls, squares = [], [], []
    for t, at in enumerate(days):
        case, control = on.event & (last <= at), last > at
        cases.append(np.bincount(bins[case], weight[case], minlength=BINS))
        controls.append(np.bincount(bins[control], minlength=BINS).astype(float))
        errors = weight[case] @ (1 - risk[case, t]) ** 2 + (risk[control, t] ** 2).sum() / followed[at]
        squares.append(errors)
    found |= {"cases": np.array(cases), "controls": np.array(controls), "squares": np.array(squares)}
    return found | {"expected": risk.sum(axis=0)}


def auc_by_day(cases: Floats, controls: Floats) -> tuple[Floats, Floats]:
    """(T,) AUC of weighted cases against controls, ties half, and half the share of tied pairs."""
    below = np.cumsum(controls, axis=1) - controls / 2
    all_pairs = cases.sum(axis=1) * controls.sum(axis=1)
    all_pairs = np.where(all_pairs > 0, all_pairs, np.nan)
    return (cases * below).sum(axis=1) / all_pairs, (cases * controls).sum(axis=1) / 2 / all_pairs
