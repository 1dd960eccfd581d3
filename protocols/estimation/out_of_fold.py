"""Models fitted on some people and applied to the others: folds, what is prepared inside them, scores.

What comes before a model (filling missing values, harmonizing, components) is fitted on the training people
of each fold, as the model is; nothing is learned from those who are scored. All folds and models advance
together, so they cost the rounds of one. Scores of people never leave a site; steps count and sum them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny

from protocols.core.disclosure import SUPPRESSED, Array
from protocols.core.errors import Code, StudyError
from protocols.core.lockstep import together
from protocols.core.protocol import (
    Arrays,
    Coordination,
    PerSite,
    Spec,
    Transform,
    parse_spec,
    protocol,
    within,
)
from protocols.core.table import EVERYBODY, AnalysisTable, Floats, Integers, Rows

Part = tuple[str, ...]
"""Where a spec stands inside the spec of an analysis."""

AnySpec = Annotated[
    SerializeAsAny[Spec],
    BeforeValidator(lambda value: parse_spec(value) if isinstance(value, Mapping) else value),
]
"""The spec of any protocol, by the name it gives."""


class ByFold(BaseModel):
    """People fall into folds by the keyed hash of the person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["folds"] = "folds"
    of: int = Field(default=5, ge=2, le=10)


class BySite(BaseModel):
    """Each hospital with enough people of both classes is left out in turn; the others always train."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sites"] = "sites"


Scheme = Annotated[ByFold | BySite, Field(discriminator="kind")]


class Validated(Spec):
    """The part of a spec that says who is left out, and what comes before the models.

    Attributes:
        prepare: transforms of columns in their order, fitted on the people that train.
        scheme: who is left out.
    """

    prepare: tuple[AnySpec, ...] = Field(default=(), max_length=20)
    scheme: Scheme = ByFold()

    def preparations(self) -> dict[Part, Spec]:
        """The transforms before the models, by where they stand."""
        return {("prepare", str(i)): spec for i, spec in enumerate(self.prepare)}

    def fitted_models(self) -> dict[Part, Spec]:
        """The models, by where they stand."""
        raise NotImplementedError

    def outcome(self) -> str:
        """The 0/1 column that all models are of."""
        (name,) = {str(getattr(model, "outcome", "")) for model in self.fitted_models().values()}
        return name

    def variables(self) -> tuple[str, ...]:
        specs = (*self.preparations().values(), *self.fitted_models().values())
        made = {name for spec in specs for name in spec.makes()}
        used = dict.fromkeys(name for spec in specs for name in spec.variables())
        return tuple(name for name in used if name not in made)

    def admits(self, rows: Rows) -> bool:
        """Everybody, or the training rows of a fold of the scheme; inside them, what a model admits."""
        if rows == EVERYBODY:
            return True
        if rows.inside is not None:
            own = rows.model_copy(update={"inside": None})
            specs = (*self.preparations().values(), *self.fitted_models().values())
            return self.admits(rows.inside) and any(spec.admits(own) for spec in specs)
        if isinstance(self.scheme, ByFold):
            fold = Rows(keep="train", fold=rows.fold, of=self.scheme.of)
            return rows == fold and rows.fold is not None and rows.fold < self.scheme.of
        return rows.site is not None and rows == Rows(keep="train", site=rows.site)


def fold_rows(scheme: ByFold | BySite, judged: Sequence[str]) -> tuple[tuple[str, ...], Integers, list[Rows]]:
    """The names of the folds, the numbers by which a site knows them, and their training rows."""
    if isinstance(scheme, ByFold):
        k = scheme.of
        rows = [Rows(keep="train", fold=fold, of=k) for fold in range(k)]
        return tuple(f"{fold + 1} of {k}" for fold in range(k)), np.arange(k), rows
    keys = np.array([site_number(site) for site in judged], dtype=np.int64)
    return tuple(judged), keys, [Rows(keep="train", site=site) for site in judged]


def sites_to_leave_out(classes: PerSite) -> tuple[tuple[str, ...], dict[str, Code]]:
    """The sites that can be left out, and why the others cannot, from each one's `smaller` class.

    Raises:
        StudyError: too-few-sites; fewer than two can.
    """
    judged = [site for site, arrays in classes.answers.items() if arrays["smaller"] != SUPPRESSED]
    if len(judged) < 2:
        raise StudyError(Code.TOO_FEW_SITES, "fewer than two sites have people enough to be left out in turn")
    withheld = dict.fromkeys(set(classes.answers) - set(judged), Code.WITHHELD)
    return tuple(sorted(judged)), {**classes.withheld, **withheld}


def site_number(site: str) -> int:
    """The number that stands for a site's name among arrays."""
    return int.from_bytes(hashlib.blake2b(site.encode(), digest_size=8).digest()) >> 1


def fitted(spec: Validated, rows: Rows) -> Coordination[dict[str, Array]]:
    """The arrays of all transforms and models fitted on these rows, each under the name of its part."""
    transforms: tuple[Transform, ...] = ()
    arrays: dict[str, Array] = {}
    for part, before in spec.preparations().items():
        coordination = protocol(before.protocol).coordinate(before)
        found = yield from within(coordination, part=part, rows=rows, transforms=transforms)
        transforms += (Transform("", part, rows, found.transform_arrays()),)
        arrays |= _named(part, found.transform_arrays())
    models = spec.fitted_models()
    fits = yield from together(
        [
            within(protocol(model.protocol).coordinate(model), part=part, rows=rows, transforms=transforms)
            for part, model in models.items()
        ]
    )
    for part, fit in zip(models, fits, strict=True):
        arrays |= _named(part, fit.transform_arrays())
    return arrays


def pooled_fitted(spec: Validated, rows: Rows, tables: Sequence[AnalysisTable]) -> dict[str, Array]:
    """The same by each protocol's pooled reference."""
    masks = [rows.mask(table) for table in tables]
    arrays: dict[str, Array] = {}
    for part, before in spec.preparations().items():
        step = protocol(before.protocol)
        train = [table.select(mask) for table, mask in zip(tables, masks, strict=True)]
        found = step.pooled(before, train).transform_arrays()
        tables = [step.transform(before, t, mask, **found) for t, mask in zip(tables, masks, strict=True)]
        arrays |= _named(part, found)
    train = [table.select(mask) for table, mask in zip(tables, masks, strict=True)]
    for part, model in spec.fitted_models().items():
        arrays |= _named(part, protocol(model.protocol).pooled(model, train).transform_arrays())
    return arrays


def stacked(fits: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """The arrays of all folds, the fold as their first axis."""
    folds: dict[str, Any] = {name: np.stack([fit[name] for fit in fits]) for name in fits[0]}
    return folds


def scored(
    spec: Validated, table: AnalysisTable, folds: Integers, arrays: Mapping[str, Array]
) -> tuple[Floats, Floats]:
    """Outcomes (n,) and probabilities (models, n) of the people here by the models that never saw them.

    Who has no outcome, or no probability by one of the models, is left out.
    """
    models = spec.fitted_models()
    outcomes, scores = [np.zeros(0)], [np.zeros((len(models), 0))]
    for people, fits in tested(spec, table, folds, arrays):
        p = np.array(
            [protocol(model.protocol).score(model, people, **fits[part]) for part, model in models.items()]
        )
        y = people.column(spec.outcome())
        known = ~(np.isnan(p).any(axis=0) | np.isnan(y))
        outcomes.append(y[known])
        scores.append(p[:, known])
    return np.concatenate(outcomes), np.concatenate(scores, axis=1)


def tested(
    spec: Validated, table: AnalysisTable, folds: Integers, arrays: Mapping[str, Array]
) -> Iterator[tuple[AnalysisTable, dict[Part, dict[str, Any]]]]:
    """For each fold the prepared table of the people here whom its models never saw, and their arrays."""
    for f, number in enumerate(folds):
        if isinstance(spec.scheme, ByFold):
            test = Rows(keep="test", fold=int(number), of=spec.scheme.of).mask(table)
        else:
            test = np.full(len(table), site_number(table.site) == number)
        if not test.any():
            continue
        # A site left out has no training rows: its own part of a transform is that of its own people.
        rows = ~test if not test.all() else test
        changed = table
        for part, before in spec.preparations().items():
            changed = protocol(before.protocol).transform(before, changed, rows, **_of(part, arrays, f))
        yield changed.select(test), {part: _of(part, arrays, f) for part in spec.fitted_models()}


def smaller_class(spec: Validated, table: AnalysisTable) -> Arrays:
    """How many people are in the smaller class here: whether this site can be left out and judged."""
    changed = {name for before in spec.preparations().values() for name in before.variables()}
    used = {name for model in spec.fitted_models().values() for name in model.variables()}
    y = table.complete((used - changed) & table.columns.keys()).column(spec.outcome())
    return {"smaller": np.array(min((y == 0).sum(), (y == 1).sum()))}


def _named(part: Part, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {f"{'.'.join(part)}.{name}": array for name, array in arrays.items()}


def _of(part: Part, arrays: Mapping[str, Array], fold: int) -> dict[str, Any]:
    start = f"{'.'.join(part)}."
    return {name.removeprefix(start): array[fold] for name, array in arrays.items() if name.startswith(start)}
