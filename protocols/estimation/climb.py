"""Newton's method in a secret basis: neither side holds coefficients and derivatives together.

The information of a regression is a sum over people of weights at known coefficients. Where covariates can be
enumerated, a few rounds of it are more equations than their joint table has cells, and whoever has totals and
coefficients reads every cell (docs/security.md). So the sites, who know the coefficients b, answer R s and
R I R' with a fresh invertible R that the center lacks; the center, who has the totals, answers the step
u = (R I R')^-1 R s in that basis; the sites go on to b + R'u. The step is Newton's own, to rounding.

Without `full` digits the center's step bears a dither of a hundredth of a standard error, and the covariance
is blurred by a hundredth of one: else a path of exact coefficients tells the sites what totals tell the
center. The sites add as much to their scores, the same at every run of the question, so that many runs
cannot be averaged. Convergence shows in the decrement s'I^-1 s, and halving in the likelihood, which need
no basis.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from protocols.core.disclosure import Array
from protocols.core.errors import Code, SiteError, StudyError
from protocols.core.protocol import Arrays, Ask, Coordination, Total
from protocols.core.secret import Turn
from protocols.core.table import Floats, Mask
from protocols.estimation.newton import MAX_EVALUATIONS, aliased, rank_deficient, separated
from protocols.estimation.rounded import blurred, rounded

DITHER = 0.01
"""Of a standard error: what the center adds to a step, where digits are not full."""

_NEAR = 4 * DITHER**2  # the decrement per coefficient that the dither alone may leave
_SETTLED = 1e-9  # standard errors that a last step may be long, whose square is left
_SUM_ERROR = 2.0**-36  # of a secure sum over many sites, each rounded to 2^-40, in the basis
_FELL = 1e-10  # the share of the likelihood that rounding may take
_ALIASED = 1e-12  # the least eigenvalue of an information over its largest
_FLAT = 1e-7  # an eigenvalue over that at the start; the basis stretches it by 16 at most, each way
_FARTHEST = 1e6  # standard deviations that a coefficient may move in one step; the basis adds a factor of 4


class State(IntEnum):
    """What the center found of a point: whether the climb goes on, and why not.

    With WEIGH it lacks the information there and asks for it.
    """

    GO = 0
    HALVE = 1
    DONE = 2
    ALIASED = 3
    SEPARATED = 4
    WEIGH = 5


@dataclass
class _Ascent:
    """The center's half: it sees likelihoods, and derivatives in bases that it cannot compare."""

    loglik: float = -np.inf
    spectrum: Floats | None = None
    step: Floats = field(default_factory=lambda: np.zeros(0))

    def reply(
        self,
        loglik: float,
        score: Floats,
        information: Floats,
        normal: Callable[[int], Floats] | None,
    ) -> dict[str, Array]:
        """State, step and, at the end of a climb that failed, the directions in which it did."""
        left = margin(len(score), normal)
        if halved := self.halved(loglik, left):
            return halved
        values, vectors = np.linalg.eigh(information)
        state, lost = self._lost(values)
        if lost.any():
            return _said(state, directions=vectors.T[lost])
        factor = cho_factor(information)
        step = cho_solve(factor, score)
        if (length := float(np.linalg.norm(step))) > _FARTHEST / 4:
            return _said(State.SEPARATED, directions=step[None] / length)
        decrement = float(score @ step)
        noise = float(np.sqrt((1 / values).sum())) * _SUM_ERROR
        near = decrement <= max(_SETTLED, noise) ** 2 or decrement <= left
        if normal is not None:
            upper = np.triu(factor[0]) if not factor[1] else np.tril(factor[0]).T
            step = step + DITHER * solve_triangular(upper, normal(len(step)))
        self.loglik, self.step = loglik, step
        return _said(State.DONE if near else State.GO, step=step, decrement=np.array(decrement))

    def halved(self, loglik: float, left: float) -> dict[str, Array]:
        """The half step where the likelihood fell by more than what dithers leave; empty where it did not."""
        if self.spectrum is None or loglik >= self.loglik - _FELL * (1 + abs(self.loglik)) - left:
            return {}
        self.step = self.step / 2
        return _said(State.HALVE, step=self.step)

    def _lost(self, values: Floats) -> tuple[State, Mask]:
        """Which eigenvectors the likelihood does not determine: from the start, or no more."""
        if self.spectrum is None:
            self.spectrum = values
            return State.ALIASED, values <= _ALIASED * values.max()
        return State.SEPARATED, values <= _FLAT * self.spectrum


@dataclass
class _Path:
    """A site's half: it knows where the climb is, and no derivative."""

    coef: Floats
    base: Floats
    basis: Floats
    covariance: Floats | None = None
    directions: Floats | None = None
    state: State = State.GO

    def follow(self, reply: Arrays, basis: Floats) -> None:
        """Goes on by the center's reply.

        Raises:
            SiteError: tampered; the step is further than any search goes.
        """
        self.state = State(int(reply["state"]))
        if "directions" in reply:
            self.directions = reply["directions"] @ basis
            return
        if self.state is not State.HALVE:
            self.base, self.basis = self.coef, basis
        move = self.basis.T @ reply["step"]
        if not (np.abs(move) <= _FARTHEST).all():
            raise SiteError(Code.TAMPERED, "a step is further than a search goes")
        self.coef = self.base + move
        if self.state is State.DONE:
            self.covariance = basis.T @ reply["covariance"] @ basis


class Climb:
    """One copy of a climb from `start`; a center's never learns coefficients, a site's never derivatives.

    Args:
        step: the site step that evaluates; its question has `common` beside the coefficients.
        start: (p,) coefficients, known to all.
        axis: of the step's arrays, the one along which its coefficients are.
        metric: the array whose inverse is the covariance.
        ridge: (p,) or one number: half of it times the square of a coefficient is taken off for each person.
        columns: of the table, those that the design is made of; empty where it is made of predictions.
        kept: which positions of the step's coefficients are searched; all others are 0.
    """

    def __init__(
        self,
        step: str,
        start: Floats,
        common: Mapping[str, Array],
        *,
        columns: Sequence[str] = (),
        axis: str = "term",
        metric: str = "information",
        kept: tuple[int, ...] | None = None,
        length: int | None = None,
        ridge: Floats | float = 0.0,
    ) -> None:
        self.step, self.common, self.axis, self.metric = step, common, axis, metric
        self.size, self.columns, self._full = len(start), columns, True
        self._kept = np.arange(self.size) if kept is None else np.array(kept)
        self._length = self.size if length is None else length
        self.ridge = np.broadcast_to(ridge, self.size)
        self._ascent = _Ascent()
        self._path = _Path(start, start, np.eye(self.size))

    def onward(self, step: str, *more: float, axis: str, metric: str) -> "Climb":
        """A climb of another step from where the sites are with this one, coefficients `more` after these."""
        coef = np.append(self._path.coef, more)  # at the center, which knows none, where this one began
        return Climb(step, coef, self.common, columns=self.columns, axis=axis, metric=metric)

    @property
    def factors(self) -> int:
        """How many sums there are whose ratios alone the center needs."""
        return 0

    def ask(self) -> Ask:
        """The question for the likelihood where the climb is."""
        return Ask(self.step, dict(self.common), secret="climb", climb=self)

    def closing(self, basis: Floats) -> Ask:
        """The question for what was found, in coefficients `basis @ b`, (q, p)."""
        return Ask(self.step, {"basis": basis}, secret="close", climb=self)

    # The center's half

    def reply(self, total: Total, normal: Callable[[int], Floats] | None) -> Arrays:
        """The center's reply to a total; `normal` draws its dither, and no digits are lost without it.

        Raises:
            StudyError: withheld; the derivatives stand on too few people.
        """
        score, information, metric = (
            total["score"][self._kept],
            *(total[name][np.ix_(self._kept, self._kept)] for name in ("information", self.metric)),
        )
        numbers = {name: array for name, array in total.arrays.items() if not array.shape}
        if not all(np.isfinite(a).all() for a in (score, information, metric, *numbers.values())):
            raise StudyError(Code.WITHHELD, "the likelihood stands on too few people", "use fewer variables")
        first = self._ascent.spectrum is None
        said = self._ascent.reply(float(total["loglik"]), score, information, normal)
        if "decrement" in said:
            numbers["decrement"] = said.pop("decrement")
        if first or said["state"] == State.DONE:  # in between they would be equations for the sites to solve
            said |= {name: _to_hundredths(a, normal) for name, a in numbers.items()}
        if said["state"] == State.DONE:
            said["covariance"] = blurred(metric, normal)
        return said

    # A site's half

    def follow(self, reply: Arrays, turn: Turn, *, full: bool) -> None:
        """Goes on at a site by the center's reply to the round of this turn.

        Args:
            full: whether every site let the result bear all its digits, as it answered that round.

        Raises:
            SiteError: tampered; a step is further than any search goes, or not one.
        """
        p, known = self.size, State._value2member_map_
        shapes = {"step": (p,), "covariance": (p, p), "directions": (len(reply.get("directions", ())), p)}
        needs = {State.DONE: {"step", "covariance"}, State.GO: {"step"}, State.HALVE: {"step"}}
        state = int(reply.get("state", np.array(-1)))
        if state not in known or not needs.get(State(state), {"directions"}) <= reply.keys():
            raise SiteError(Code.TAMPERED, "the center's reply to a climb is not one")
        if any(reply[name].shape != shape for name, shape in shapes.items() if name in reply):
            raise SiteError(Code.TAMPERED, "the center's reply to a climb is of another size")
        self._path.follow(reply, turn.basis)
        self._full = self._full and full

    def asked(self) -> Arrays:
        """The coefficients at which a site evaluates."""
        coef = np.zeros(self._length)
        coef[self._kept] = self._path.coef
        return {"coef": coef}

    def dithered(self, arrays: Arrays, normal: Callable[[int], Floats]) -> Arrays:
        """A site's arrays, its score off by a hundredth of what its people's part of it varies by.

        `normal` draws the same numbers at every round and run of a question, so the climb ends beside the
        maximum, always at the same place: averaging runs brings nobody nearer.
        """
        kept = np.ix_(self._kept, self._kept)
        values, vectors = np.linalg.eigh(arrays["information"][kept])
        root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
        score = arrays["score"].astype(np.float64)
        score[self._kept] += DITHER * (root @ normal(self.size))
        return {**arrays, "score": score}

    def turned(self, arrays: Arrays, axes: Mapping[str, tuple[str, ...]], turn: Turn) -> Arrays:
        """A site's arrays, its people's share of the penalty with them, along every axis of coefficients."""
        whole = np.zeros((self._length, self._length))
        whole[np.ix_(self._kept, self._kept)] = turn.basis
        arrays = self.penalized(arrays)
        return {name: _turned(array, axes[name], self.axis, whole) for name, array in arrays.items()}

    def penalized(self, arrays: Arrays) -> Arrays:
        """A site's arrays with the ridge of its `n` people."""
        if not self.ridge.any():
            return arrays
        ridge, coef = float(arrays["n"]) * self.ridge, self._path.coef
        taken = {
            "loglik": np.array(ridge @ coef**2 / 2),
            "score": ridge * coef,
            "information": -np.diag(ridge),
        }
        return {**arrays, **{name: np.asarray(arrays[name] - part) for name, part in taken.items()}}

    def agreed(self, question: Arrays) -> Arrays:
        """What every site says alike at the end: coefficients and covariance, or which terms were at fault.

        Raises:
            SiteError: tampered; the climb has not ended.
        """
        path = self._path
        if path.directions is not None:
            return {"terms": _at_fault(path.state, path.directions).astype(np.int64)}
        if path.covariance is None:
            raise SiteError(Code.TAMPERED, "a climb is closed that has not ended")
        basis = question["basis"]
        coef, covariance = basis @ path.coef, basis @ path.covariance @ basis.T
        covariance = (covariance + covariance.T) / 2
        if not self._full:
            coef, covariance = rounded(coef, covariance)
        return {"coef": coef, "covariance": covariance}


@dataclass(frozen=True)
class Top:
    """Where the likelihood is largest, as all sides may know it.

    Attributes:
        coef, covariance: (q,) and (q, q), in the coefficients asked for.
        first, last: the single numbers of the step's answers at the start and at the last point, and
            the decrement s'I^-1 s there.
        evaluations: of the likelihood.
        agreed: what every site said alike of the end.
    """

    coef: Floats
    covariance: Floats
    first: Arrays
    last: Arrays
    evaluations: int
    agreed: Arrays = field(default_factory=dict)

    @property
    def loglik(self) -> float:
        """At the last point, one tiny step before `coef`."""
        return float(self.last["loglik"])


def begun(climb: Climb, terms: Sequence[str]) -> Coordination[None]:
    """One step of a climb, after which the sites are where another one begins; see `Climb.onward`.

    Args:
        terms: the (p,) names, for errors.

    Raises:
        StudyError: rank-deficient; names the aliased terms.
    """
    first = yield climb.ask()
    if State(int(first["state"])) not in (State.GO, State.DONE):
        yield from climbed(climb, first, terms, np.eye(climb.size))


def climbed(climb: Climb, first: Arrays, terms: Sequence[str], basis: Floats) -> Coordination[Top]:
    """The maximum of a log-likelihood, by Newton's method with step halving.

    Args:
        climb: which has been asked once.
        first: the reply to that.
        terms: the (p,) names, for errors.
        basis: (q, p) that makes the coefficients wanted of those searched.

    Raises:
        StudyError: rank-deficient (names the aliased terms), separation (names the terms whose coefficients
            diverge), not-converged.
    """
    reply = first
    evaluations = 1
    while (state := State(int(reply["state"]))) in (State.GO, State.HALVE, State.WEIGH):
        if evaluations > MAX_EVALUATIONS:
            raise StudyError(
                Code.NOT_CONVERGED, f"no maximum after {MAX_EVALUATIONS} evaluations", "use fewer covariates"
            )
        reply, evaluations = (yield climb.ask()), evaluations + (state is not State.WEIGH)
    found = yield climb.closing(basis)
    if state is not State.DONE:
        names = [term for term, fault in zip(terms, found["terms"], strict=True) if fault]
        raise rank_deficient(names) if state is State.ALIASED else separated(names)
    return Top(found["coef"], found["covariance"], first, reply, evaluations, found)


def _said(state: State, **arrays: Array) -> dict[str, Array]:
    return {"state": np.array(int(state)), **arrays}


def margin(size: int, normal: Callable[[int], Floats] | None) -> float:
    """The decrement that the dithers alone may leave of so many coefficients; none where digits are full."""
    return 0.0 if normal is None else _NEAR * size


def _to_hundredths(array: Array, normal: Callable[[int], Floats] | None) -> Array:
    """A likelihood to two places, which is a tenth of a standard error; as it is where digits are full."""
    if normal is None or array.dtype.kind == "i":
        return array
    return np.asarray(np.round(array.astype(np.float64), 2), dtype=np.float64)


def _turned(array: Array, axes: tuple[str, ...], axis: str, basis: Floats) -> Array:
    for position, name in enumerate(axes):
        if name == axis:
            array = np.moveaxis(np.tensordot(basis, array, (1, position)), 0, position)
    return array


def _at_fault(state: State, directions: Floats) -> Mask:
    """(p,) the terms that follow from those before, or in which the likelihood grows without end."""
    p = directions.shape[1]
    if state is State.SEPARATED:
        size = np.abs(directions / np.linalg.norm(directions, axis=1, keepdims=True)).max(axis=0)
        return np.asarray(size >= size.max() / 4)
    orthonormal = np.linalg.qr(directions.T)[0]
    return np.isin(np.arange(p), aliased(np.eye(p) - orthonormal @ orthonormal.T))
