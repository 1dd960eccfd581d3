"""What a federated analysis is: site steps, and a coordination that asks them.

A site step turns a table into arrays. A coordination is a generator: it yields an `Ask` and receives the
joined answer, so that a federated algorithm reads like the pooled one. Coordinations compose:
`lockstep.together` advances many at once, so that their rounds are shared, and `within` narrows one to a
fold, to a part of a larger analysis, or to harmonized columns, without its knowing.
"""

import dataclasses
import importlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

import numpy as np
from pydantic import BaseModel

from protocols import CATALOGUE
from protocols.core import joint_cells, people_in_effect, privacy
from protocols.core.disclosure import Array, Thresholds
from protocols.core.errors import Code, ShadowgraphError, SpecError, StudyError
from protocols.core.figure import Figure, NoFigure, plotted
from protocols.core.secret import Climb as Climb
from protocols.core.secret import Search as Search
from protocols.core.secret import Secret as Secret
from protocols.core.site_step import Arrays as Arrays
from protocols.core.site_step import SiteStep as SiteStep
from protocols.core.site_step import site_step as site_step
from protocols.core.spec import Spec as Spec
from protocols.core.spec import inner_specs
from protocols.core.spec import specs_in as specs_in
from protocols.core.table import EVERYBODY, Floats, Rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Transform:
    """A change of columns that every site derives from a global result and its own rows.

    Attributes:
        analysis: the analysis of the study whose result it is.
        part: where in that analysis' spec the transform's own spec stands.
        rows: the rows on which a site estimates its own part.
        arrays: the global result.
    """

    analysis: str
    part: tuple[str, ...]
    rows: Rows
    arrays: Arrays


@dataclass(frozen=True)
class Ask:
    """A question to all sites: run this step, with these arrays, on these rows.

    The answer is the sum over sites; with `per_site`, what each site said in the clear.

    Attributes:
        secret: "climb" is asked at coefficients that the sites know and answered in their basis; at its
            "close" every site says the same, what the climb found; "sealed" is of a search that the sites
            make, answered with a sum that they alone open, and in the end with what they found; "last"
            decides nothing that follows, and is answered to the center alone.
        climb, search: this side's copy of either; it does not cross the wire.
    """

    step: str
    arrays: Arrays = field(default_factory=dict)
    rows: Rows = EVERYBODY
    per_site: bool = False
    analysis: str = ""
    part: tuple[str, ...] = ()
    transforms: tuple[Transform, ...] = ()
    secret: Secret = ""
    climb: Climb | None = field(default=None, compare=False, repr=False)
    search: Search | None = field(default=None, compare=False, repr=False)


def ask(step: str, *, per_site: bool = False, **arrays: Array | float) -> Ask:
    """The question that runs `step` with these arrays as its arguments."""
    return Ask(step, {name: np.asarray(a) for name, a in arrays.items()}, per_site=per_site)


@dataclass(frozen=True)
class Total:
    """The joined answer to an `Ask`: the sum over sites, which sites it holds, the study's floor, chance.

    `min_count` is for numbers of people that a coordination forms from counts (the rarer value of a gene),
    `floors` what a `Band` comes to of enough people beside any site's own, `over_all` of all together;
    `chance` is what a coordination draws from, made by all sites of the run.
    """

    arrays: Arrays
    sites: tuple[str, ...]
    min_count: int = Thresholds().min_count
    chance: bytes = b""
    floors: int = Thresholds().enough(1)
    over_all: int = Thresholds().enough(1)

    def __getitem__(self, name: str) -> Any:
        return self.arrays[name]


@dataclass(frozen=True)
class PerSite:
    """The answer to an `Ask` per site: what each said in the clear, or the code with which it withheld."""

    answers: Mapping[str, Arrays]
    withheld: Mapping[str, Code] = field(default_factory=dict)

    def __getitem__(self, site: str) -> Arrays:
        return self.answers[site]


Asks = Ask | tuple[Ask, ...]
R = TypeVar("R")
# A coordination yields one Ask and receives its Total or PerSite, or a tuple and receives a tuple.
Coordination = Generator[Asks, Any, R]


S = TypeVar("S", bound=Spec)


@dataclass(frozen=True)
class Result:
    """What an analysis found; frozen, and plain enough to be stored, compared and drawn."""

    def summary(self) -> "pd.DataFrame":
        """One row per quantity of interest, as an analyst would print it."""
        raise NotImplementedError

    def table(self, rows: Iterable[Any], *columns: str) -> "pd.DataFrame":
        """The named fields, which hold a value for each row, as columns."""
        import pandas as pd  # not for who only lists or signs studies

        return pd.DataFrame(self.named(*columns), index=list(rows))

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data for JSON: arrays as nested lists, a missing number as None."""
        return cast("dict[str, Any]", plain(self))

    def figure(self) -> Figure | NoFigure:
        """What this result looks like, as plain data; or why it is not drawn."""
        raise NotImplementedError

    def plot(self, axes: Any = None) -> Any:
        """matplotlib's axes with this result's first panel; without axes, all its panels on new ones.

        Raises:
            InputError: not-found; this result has no figure.
        """
        return plotted(type(self).__name__, self.figure(), axes)

    def named(self, *names: str) -> dict[str, Any]:
        """The fields of these names: columns of a table, or the arrays that a site needs."""
        return {name: getattr(self, name) for name in names}  # the class itself writes its fields' names


class FederatedProtocol(Generic[S, R]):
    """One analysis: its spec, its site steps and its coordination.

    Attributes:
        name, version: of the protocol; a change of what it asks or answers is a new version.
        is_query: whether it is over in a round or two: a study of such analyses alone waits for no other.
        needs_module: the module that a site needs beside the base installation; empty where it needs none.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    is_query: ClassVar[bool] = False
    needs_module: ClassVar[str] = ""
    spec_type: ClassVar[type[Spec]]
    steps: ClassVar[Mapping[str, SiteStep]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, SiteStep)}
        cls.steps = {**own, **people_in_effect.beside(own), joint_cells.STEP: joint_cells.beside(own)}
        if issubclass(getattr(cls, "spec_type", Spec), privacy.MayBePrivate):  # a base has none yet
            cls.steps = {**cls.steps, privacy.STEP: privacy.private_sums}

    def sizes(self, spec: S, arrays: Arrays | None = None) -> Mapping[str, int]:
        """The size of every axis of all steps; with the arrays of a question, of the answer to it."""
        axes = self.axes_asked(spec, arrays) if arrays else self.axes(spec)
        if isinstance(spec, privacy.MayBePrivate):
            axes = {**axes, privacy.AXIS: spec.private_size(arrays or {}) if spec.privacy else 0}
        people = people_in_effect.sizes(spec, arrays or {})
        judged = {**people, **joint_cells.sizes(self.steps, spec, arrays or {})}
        return {**axes, **judged}

    def axes(self, spec: S) -> Mapping[str, int]:
        """The size of every axis that the steps declare; it follows from the spec alone."""
        raise NotImplementedError

    def axes_asked(self, spec: S, arrays: Arrays) -> Mapping[str, int]:
        """The size of every axis of the answer to a question with these arrays: those of `axes`.

        An analysis of a block asks about some names of its axis at a time, and says here about how many.
        """
        return self.axes(spec)

    def coordinate(self, spec: S) -> Coordination[R]:
        """The federated algorithm, as a generator that yields questions and returns the result."""
        raise NotImplementedError

    def once(self, spec: S, step: str, arrays: Arrays) -> int | None:
        """The number under which a site answers a question about the same people once; None: it is free.

        What is answered once spends a budget: a second question of that number with other arrays is refused,
        and one in a plain sum always, since each site gives a share of the noise.
        """
        return int(arrays.get("round", 0)) if step == privacy.STEP else None

    def spends(self, spec: S) -> tuple[Floats, int] | None:
        """What a noisy round spends, (orders,), and how many there are: see `privacy.spends`."""
        return privacy.spends(spec)

    def estimator(self, spec: S, result: R) -> Any:
        """scikit-learn's estimator with the numbers of the result.

        Raises:
            SpecError: invalid-study; scikit-learn has none for this model.
        """
        raise SpecError(Code.INVALID_STUDY, f"scikit-learn has no estimator for this {self.name}")

    def penalized_estimator(self, spec: S, result: R, penalty: float) -> Any:
        """scikit-learn's estimator at one of the penalties of the result's path.

        Raises:
            SpecError: invalid-study; there is no path, or it has no such penalty.
        """
        raise SpecError(Code.INVALID_STUDY, f"this {self.name} has no path of penalties")

    def fitter(self, spec: S, result: R, group: str | None = None) -> Any:
        """lifelines' fitter with the numbers of the result, or with those of a group that has its own curve.

        Raises:
            SpecError: invalid-study; lifelines has none for this model, or there is no such group.
        """
        raise SpecError(Code.INVALID_STUDY, f"lifelines has no fitter for this {self.name}")

    def method(self, spec: S) -> str:
        """What was done, as the methods section of a paper says it, with its sources."""
        raise NotImplementedError

    def about(self, spec: S) -> str:
        """What is asked and of which variables, in words that a site administrator reads before approving."""
        raise NotImplementedError

    def notes(self, spec: S) -> Sequence[str]:
        """What else the administrator should know: what stays here, and how far what leaves can be read."""
        return ()

    def describe(self, spec: S) -> list[str]:
        """All that leaves a site, in words: of the analyses inside this one, then of each of its own steps.

        Apart from `about` and `notes`, the words are those that the steps declare.
        """
        lines = [self.about(spec)]
        for part, inner in inner_specs(spec).items():
            lines += [f"  {'.'.join(part)}: {line}" for line in protocol(inner.protocol).describe(inner)]
        if isinstance(spec, privacy.MayBePrivate) and spec.privacy:
            return [*lines, *privacy.described(spec), *self.notes(spec)]
        for name, step in self.steps.items():
            if name == privacy.STEP:
                continue
            lines += step.describe(spec, self.sizes(spec))
        return [*lines, *self.notes(spec)]


def protocol(name: str) -> FederatedProtocol[Any, Any]:
    """The analysis of that name, from the closed list.

    Raises:
        SpecError: it is not in CATALOGUE.
    """
    if name not in CATALOGUE:
        raise SpecError(
            Code.UNKNOWN_PROTOCOL, f"there is no protocol {name!r}", "known: " + ", ".join(sorted(CATALOGUE))
        )
    module, _, class_name = CATALOGUE[name].partition(":")
    found = getattr(importlib.import_module(module), class_name)  # CATALOGUE names the class
    return cast("FederatedProtocol[Any, Any]", found())


def parse_spec(data: Mapping[str, Any]) -> Spec:
    """The spec of an analysis, validated by its own protocol.

    Raises:
        SpecError: the protocol is unknown. pydantic's ValidationError: a field is wrong.
    """
    return protocol(str(data.get("protocol"))).spec_type.model_validate(data)


def within(
    coordination: Coordination[R],
    *,
    analysis: str = "",
    part: tuple[str, ...] = (),
    rows: Rows | None = None,
    transforms: tuple[Transform, ...] = (),
) -> Coordination[R]:
    """The coordination with each of its questions narrowed: to a part of a spec, to rows, to changed columns.

    `part` goes in front of the question's own; the question's own rows are taken inside `rows`; `transforms`
    come before the question's own. A transform that names no analysis is of the same analysis.
    """

    def narrowed(question: Ask) -> Ask:
        return replace(
            question,
            analysis=question.analysis or analysis,
            part=part + question.part,
            rows=question.rows if rows is None else _inside(question.rows, rows),
            transforms=transforms
            + tuple(replace(t, analysis=t.analysis or analysis) for t in question.transforms),
        )

    return _each(relayed(coordination) if part else coordination, narrowed)


def _each(coordination: Coordination[R], change: Callable[[Ask], Ask]) -> Coordination[R]:
    """The coordination with each of its questions changed."""
    try:
        asked = next(coordination)
        while True:
            mine = change(asked) if isinstance(asked, Ask) else tuple(change(a) for a in asked)
            try:
                answer = yield mine
            except ShadowgraphError as error:
                asked = coordination.throw(error)
            else:
                asked = coordination.send(answer)
    except StopIteration as done:
        return cast("R", done.value)


def last(asks: Iterable[Ask]) -> Coordination[list[Total]]:
    """The answers to the last questions of an analysis, one a round, for the center alone.

    They decide nothing that follows, so no site needs them: the sites' copies go on to the next one without,
    and end where the center goes on to its result.

    Raises:
        StudyError: of the first that was not answered, when all have been asked; at a site always.
    """
    found: list[Total] = []
    failed: StudyError | None = None
    for ask in asks:
        try:
            found.append((yield replace(ask, secret="last")))
        except StudyError as error:
            failed = failed or error
    if failed is None and not all(total.arrays for total in found):
        failed = StudyError(Code.WITHHELD, "the result is the center's alone")
    if failed:
        raise failed
    return found


def relayed(coordination: Coordination[R]) -> Coordination[R]:
    """The coordination with its last questions answered to all, for whoever asks more by what it finds."""

    def to_all(question: Ask) -> Ask:
        return replace(question, secret="") if question.secret == "last" else question

    return _each(coordination, to_all)


def _inside(rows: Rows, outer: Rows) -> Rows:
    """The filter that keeps whom both keep."""
    if rows in (EVERYBODY, outer):
        return outer
    return rows.model_copy(update={"inside": outer if rows.inside is None else _inside(rows.inside, outer)})


def plain(value: object) -> Any:
    """The value as plain JSON data: arrays as lists, models and dataclasses as dicts, NaN as None."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}  # its own fields
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
