"""Models fitted on some people and applied to the others: folds, what is prepared inside them, scores.

What comes before a model (filling missing values, harmonizing, components) is fitted on the training people
of each fold, as the model is; nothing is learned from those who are scored. All folds and models advance
together, so they cost the rounds of one. Scores of people never leave a site; steps count and sum them.

Sums over training sets differ by the people of folds. A combination of d sums that do not follow from each
other is a weight for each person, in a space of d dimensions. One that is zero for all people but S needs the
leverages of S to add up to 1 at least, and these are d / n on average. So with `min_count` times d people no
difference of sums singles out fewer than about `min_count`; `check_people` requires so many.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
from pydantic import Field, model_validator

from protocols.core.disclosure import Array
from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import together
from protocols.core.protocol import (
    Ask,
    Coordination,
    Result,
    Spec,
    Transform,
    protocol,
    specs_in,
    within,
)
from protocols.core.roles import Model, PredictsProbability, Transforms, Tunes, score, transformed
from protocols.core.site_step import Times
from protocols.core.table import EVERYBODY, AnalysisTable, Floats, Integers, Rows
from protocols.validation.inner_folds import arrays_named, named, stacked
from protocols.validation.schemes import ByFold, External, Scheme, site_number

Part = tuple[str, ...]
"""Where a spec stands inside the spec of an analysis."""


class Validated(Spec):
    """The part of a spec that says who is left out, and what comes before the models.

    Attributes:
        prepare: transforms of columns in their order, fitted on the people that train.
        scheme: who is left out.
    """

    prepare: tuple[Model[Transforms], ...] = Field(default=(), max_length=20)
    scheme: Scheme = ByFold()

    @model_validator(mode="after")
    def _is_learned_in_sums(self) -> "Validated":
        specs = [spec for before in self.preparations().values() for spec in specs_in(before)]
        if any(step.clear(spec) for spec in specs for step in protocol(spec.protocol).steps.values()):
            raise ValueError(
                "a reference batch is shown in the clear, which no fold may be: harmonize in a separate "
                "analysis, and name it in `after`"
            )
        return self

    def preparations(self) -> Mapping[Part, Transforms]:
        """The transforms before the models, by where they stand."""
        return {("prepare", str(i)): spec for i, spec in enumerate(self.prepare)}

    def fitted_models(self) -> Mapping[Part, Spec]:
        """The models, by where they stand."""
        raise NotImplementedError

    def variables(self) -> tuple[str, ...]:
        specs = (*self.preparations().values(), *self.fitted_models().values())
        made = {name for spec in specs for name in spec.makes()}
        used = dict.fromkeys(name for spec in specs for name in spec.variables())
        return tuple(name for name in used if name not in made)

    def needs(self) -> tuple[str, ...]:
        prepared = tuple(self.preparations().values())
        filled = {name for spec in prepared for name in (*spec.makes(), *spec.fills())}
        read = (name for spec in (*prepared, *self.fitted_models().values()) for name in spec.needs())
        return tuple(name for name in dict.fromkeys(read) if name not in filled)

    def admits(self, rows: Rows) -> bool:
        """Everybody, or the training rows of a fold of the scheme; inside them, what a model admits."""
        if rows == EVERYBODY:
            return True
        if rows.inside is not None:
            own = rows.model_copy(update={"inside": None})
            specs = (*self.preparations().values(), *self.fitted_models().values())
            return self.admits(rows.inside) and any(spec.admits(own) for spec in specs)
        return self.scheme.admits(rows)

    def inner_folds(self) -> int:
        return max(model.inner_folds() for model in self.fitted_models().values())


class ValidatedProbability(Validated):
    """The same for models that give probabilities of one outcome."""

    def fitted_models(self) -> Mapping[Part, PredictsProbability]:
        raise NotImplementedError

    def outcome(self) -> str:
        """The 0/1 column that all models are of."""
        (name,) = {model.outcome_name() for model in self.fitted_models().values()}
        return name


def once_per_repeat(spec: Validated) -> Times:
    """How often everybody is scored."""
    repeats = spec.scheme.repeats if isinstance(spec.scheme, ByFold) else 1
    return Times(repeats, repeats)


@dataclass(frozen=True)
class Folds:
    """Who trains in turn.

    Attributes:
        names: of the folds, as a result has them.
        numbers: (f,) by which a site knows them.
        training: their rows.
        repeats: how often everybody is scored; folds of one repeat stand together.
        judged: the sites that are left out.
    """

    names: tuple[str, ...]
    numbers: Integers
    training: list[Rows]
    repeats: int = 1
    judged: tuple[str, ...] = ()

    def questions(self, step: str, fits: Sequence[Mapping[str, Array]], **others: Array) -> tuple[Ask, ...]:
        """The question that scores everybody once, for each repeat."""
        size = len(self.numbers) // self.repeats
        parts = [slice(r * size, (r + 1) * size) for r in range(self.repeats)]
        return tuple(
            Ask(step, {"folds": self.numbers[part], **stacked(fits[part]), **others}) for part in parts
        )


def folds_of(scheme: Scheme, judged: tuple[str, ...]) -> Folds:
    """The folds of a scheme; `judged` are the sites that are left out in turn."""
    if isinstance(scheme, ByFold):
        k, again = scheme.of, scheme.repeats
        both = [(repeat, fold) for repeat in range(again) for fold in range(k)]
        rows = [Rows(keep="train", fold=fold, of=k, repeat=repeat) for repeat, fold in both]
        times = [f", repeat {repeat + 1}" if again > 1 else "" for repeat, _ in both]
        names = tuple(f"{fold + 1} of {k}{time}" for (_, fold), time in zip(both, times, strict=True))
        return Folds(names, np.arange(len(rows)), rows, again)
    if isinstance(scheme, External):
        rows = [Rows(keep="train", sites=scheme.sites)]
        return Folds(("external",), np.zeros(1, dtype=np.int64), rows, judged=judged)
    keys = np.array([site_number(site) for site in judged], dtype=np.int64)
    return Folds(judged, keys, [Rows(keep="train", sites=(site,)) for site in judged], judged=judged)


def check_people(spec: Validated, n: int, floor: int) -> None:
    """Raises unless there are enough people for so many training sets; see above.

    Raises:
        StudyError: withheld.
    """
    needed = floor * spec.scheme.sums() * spec.inner_folds()
    if n < needed:
        raise StudyError(
            Code.WITHHELD,
            f"{n} people are too few for so many folds: sums over them would differ by fewer than {floor}",
            f"use fewer folds or repeats; these need {needed} people",
        )


def chosen_by(model: Spec, part: str, fits: Sequence[Mapping[str, Array]]) -> tuple[str, ...]:
    """Which candidate each fit chose, where the model is tuned."""
    if not isinstance(model, Tunes):
        return ()
    return tuple(model.names()[int(fit[f"{part}.chosen"])] for fit in fits)


R = TypeVar("R", bound=Result)


def mean_of_repeats(results: Sequence[R], measures: Sequence[str]) -> R:
    """The first result with the named measures averaged over all, and each one's own in `by_repeat`."""
    values = {name: np.array([result.named(name)[name] for result in results]) for name in measures}
    means = {name: value.mean(axis=0) for name, value in values.items()}
    plain = {name: float(mean) if mean.ndim == 0 else mean for name, mean in means.items()}
    changes: dict[str, Any] = {**plain, "by_repeat": values if len(results) > 1 else {}}
    return cast("R", replace(cast("Any", results[0]), **changes))


def fitted_by_fold(spec: Validated, folds: Folds) -> Coordination[list[dict[str, Array]]]:
    """What `fitted` gives of each fold; all advance together."""
    return together([fitted(spec, rows) for rows in folds.training])


def fitted(spec: Validated, rows: Rows) -> Coordination[dict[str, Array]]:
    """The arrays of all transforms and models fitted on these rows, each under the name of its part."""
    transforms: tuple[Transform, ...] = ()
    arrays: dict[str, Array] = {}
    for part, before in spec.preparations().items():
        coordination = protocol(before.protocol).coordinate(before)
        found = yield from within(coordination, part=part, rows=rows, transforms=transforms)
        transforms += (Transform("", part, rows, found.transform_arrays()),)
        arrays |= named(".".join(part), found.transform_arrays())
    models = spec.fitted_models()
    fits = yield from together(
        [
            within(protocol(model.protocol).coordinate(model), part=part, rows=rows, transforms=transforms)
            for part, model in models.items()
        ]
    )
    for part, fit in zip(models, fits, strict=True):
        arrays |= named(".".join(part), fit.transform_arrays())
    return arrays


def scored(
    spec: ValidatedProbability, table: AnalysisTable, folds: Integers, arrays: Mapping[str, Array]
) -> tuple[Floats, Floats]:
    """Outcomes (n,) and probabilities (models, n) of the people here by the models that never saw them.

    Who has no outcome, or no probability by one of the models, is left out.
    """
    outcomes, scores = [np.zeros(0)], [np.zeros((len(spec.fitted_models()), 0))]
    for y, p in scored_by_fold(spec, table, folds, arrays):
        outcomes.append(y)
        scores.append(p)
    return np.concatenate(outcomes), np.concatenate(scores, axis=1)


def scored_by_fold(
    spec: ValidatedProbability, table: AnalysisTable, folds: Integers, arrays: Mapping[str, Array]
) -> Iterator[tuple[Floats, Floats]]:
    """Outcomes (n,) and probabilities (models, n) of each fold's people by themselves."""
    models = spec.fitted_models()
    for people, fits in tested(spec, table, folds, arrays):
        p = np.array([score(model, people, fits[part]) for part, model in models.items()])
        y = people.column(spec.outcome())
        known = ~(np.isnan(p).any(axis=0) | np.isnan(y))
        yield y[known], p[:, known]


def tested(
    spec: Validated, table: AnalysisTable, folds: Integers, arrays: Mapping[str, Array]
) -> Iterator[tuple[AnalysisTable, dict[Part, dict[str, Any]]]]:
    """For each fold the prepared table of the people here whom its models never saw, and their arrays."""
    for f, number in enumerate(folds):
        test = spec.scheme.held_out(table, int(number))
        if not test.any():
            continue
        # A site left out has no training rows: its part of a transform is that of its own people.
        rows = ~test if not test.all() else test
        own, changed = {name: array[f] for name, array in arrays.items()}, table
        for part, before in spec.preparations().items():
            changed = transformed(before, changed, rows, arrays_named(".".join(part), own))
        models = {part: arrays_named(".".join(part), own) for part in spec.fitted_models()}
        yield changed.select(test), models


def smallest_inner_fold(spec: Validated, table: AnalysisTable) -> int:
    """The people here in the smallest inner fold of a model: sums without this site show them too."""
    size = spec.inner_folds()
    folds = [Rows(keep="test", fold=f, of=size, inner=True) for f in range(size)]
    return len(table) if size == 1 else min(int(rows.mask(table).sum()) for rows in folds)
