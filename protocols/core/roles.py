"""What an analysis can do for others, declared by type: predict, predict survival, change columns, choose.

A spec declares its roles by the classes that it derives from, and its protocol derives from their other half,
which holds the method. A field of a spec that composes others is a `Model` of a role, so that a study with an
analysis that cannot do what is asked of it is refused when it is parsed.

    class DiscriminationSpec(Spec):
        model: Model[PredictsProbability]

    p = score(spec.model, table, arrays)
"""

import types
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar, Union, get_args, get_origin

from pydantic import GetCoreSchemaHandler, SerializeAsAny
from pydantic_core import CoreSchema, core_schema

from protocols import CATALOGUE
from protocols.core.disclosure import Array
from protocols.core.errors import Code, SpecError
from protocols.core.protocol import Arrays, Result, parse_spec, protocol
from protocols.core.spec import Spec
from protocols.core.table import AnalysisTable, Floats, Integers, Mask


class Role(Spec):
    """What a spec declares that its analysis can do."""

    ability: ClassVar[str]

    def shortfall(self, role: "type[Role]") -> str:
        """Why the analysis, as it is specified, cannot do what its protocol can; empty where it can."""
        return ""


class PredictsProbability(Role):
    """A model of a 0/1 outcome, whose fit gives each person's probability of it."""

    ability: ClassVar[str] = "give the probability of a 0/1 outcome"

    def outcome_name(self) -> str:
        """The 0/1 variable that is predicted."""
        raise NotImplementedError

    def linear_in(self) -> tuple[str, ...]:
        return (self.outcome_name(),)

    def terms(self) -> tuple[str, ...]:
        """The names of its coefficients; none for a model without."""
        return ()


class PredictsSurvival(Role):
    """A model of a survival variable, whose fit gives each person's chance of the event by days of a grid."""

    ability: ClassVar[str] = "predict survival"

    def outcome_name(self) -> str:
        """The survival variable that is predicted."""
        raise NotImplementedError

    def terms(self) -> tuple[str, ...]:
        """The names of its coefficients; none for a model without."""
        return ()

    def entry_name(self) -> str | None:
        """The variable with the day from which a person is followed, for delayed entry."""
        raise NotImplementedError

    def edges(self) -> Floats:
        """The (bins + 1,) days between the intervals of its baseline hazard, from 0; (1,) without a grid."""
        raise NotImplementedError


class Estimates(Role):
    """A model with coefficients and their covariance, which fits on completed data sets can be pooled by."""

    ability: ClassVar[str] = "estimate coefficients with a covariance that can be pooled"


class Predicts(Role):
    """A regression whose result predicts outcomes from a matrix of covariates: see `Regression`."""

    ability: ClassVar[str] = "predict outcomes from covariates"

    def predictors(self) -> tuple[str, ...]:
        """The variables in the columns of that matrix."""
        raise NotImplementedError


class PredictsLevels(Predicts):
    """A regression whose result predicts which of several levels an outcome has: see `Classification`."""

    ability: ClassVar[str] = "predict levels from covariates"

    def codes(self) -> tuple[float, ...]:
        """The levels of the outcome, in the order of the result's `predict_proba`."""
        raise NotImplementedError


class Transforms(Role):
    """An analysis whose result changes or adds columns at each site, for the analyses after it."""

    ability: ClassVar[str] = "change columns"


class Tunes(Role):
    """An analysis that chooses one of several models."""

    ability: ClassVar[str] = "choose among models"

    def names(self) -> tuple[str, ...]:
        """The candidates in the order of the result, whose `transform_arrays` have the number `chosen`."""
        raise NotImplementedError


class Applicable(Result):
    """A result that sites apply to their own rows."""

    def transform_arrays(self) -> Arrays:
        """The arrays that a site needs to apply this result to its own rows."""
        raise NotImplementedError


class Regression(Result):
    """A result that predicts numbers."""

    def predict(self, x: Floats) -> Floats:
        """The (n,) or (n, outcomes) expected outcomes of an (n, p) matrix of the spec's `predictors`."""
        raise NotImplementedError


class Classification(Result):
    """A result that predicts which of several levels an outcome has."""

    def predict_proba(self, x: Floats) -> Floats:
        """The (n, levels) probabilities of an (n, p) matrix of the spec's `predictors`."""
        raise NotImplementedError


class JudgesSites(Result):
    """A result that judges sites that are left out in turn; `not_judged`: site -> why it is not."""

    not_judged: Mapping[str, Code]


class Coefficients(Protocol):
    """What a result of an `Estimates` has: (p,) terms and coefficients, their (p, p) covariance, n people."""

    @property
    def terms(self) -> tuple[str, ...]: ...
    @property
    def coef(self) -> Floats:
        """(p,) the intercept first, where there is one."""

    @property
    def covariance(self) -> Floats:
        """(p, p) of `coef`."""

    @property
    def n(self) -> int: ...

    def informative(self) -> int:
        """The people on whom its degrees of freedom rest: of a survival model, those with the event."""


PS = TypeVar("PS", bound=PredictsProbability)
SS = TypeVar("SS", bound=PredictsSurvival)
TS = TypeVar("TS", bound=Spec)
P = TypeVar("P")
R = TypeVar("R", bound=Role)


class ProbabilityModel(Generic[PS]):
    """The protocol of a spec that `PredictsProbability`."""

    def score(self, spec: PS, table: AnalysisTable, **arrays: Array) -> Floats:
        """The (n,) probabilities of the outcome by a model's `transform_arrays`; NaN: not known."""
        raise NotImplementedError


class SurvivalModel(Generic[SS]):
    """The protocol of a spec that `PredictsSurvival`."""

    def risks(self, spec: SS, table: AnalysisTable, at: Integers, **arrays: Array) -> tuple[Floats, Floats]:
        """The (n,) scores and (n, T) chances of the event by `transform_arrays`; NaN: not known.

        `at` are the intervals of the model's grid, from 1, by whose end the event may come.
        """
        raise NotImplementedError


class ColumnTransform(Generic[TS]):
    """The protocol of a spec that `Transforms`, or of one that completes tables for itself."""

    def transform(self, spec: TS, table: AnalysisTable, rows: Mask, **arrays: Array) -> AnalysisTable:
        """The table with its columns changed by a global result; the site's own part comes from `rows`."""
        raise NotImplementedError


def score(model: PredictsProbability, table: AnalysisTable, arrays: Arrays) -> Floats:
    """The (n,) probabilities of the outcome by a model's `transform_arrays`; NaN: not known.

    Raises:
        SpecError: invalid-study; with these settings the model gives no probability.
    """
    if why := model.shortfall(PredictsProbability):
        raise SpecError(Code.INVALID_STUDY, why)
    half: ProbabilityModel[Any] = _half(model, ProbabilityModel)
    return half.score(model, table, **arrays)


def risks(
    model: PredictsSurvival, table: AnalysisTable, at: Integers, arrays: Arrays
) -> tuple[Floats, Floats]:
    """The (n,) scores and (n, T) chances of the event by the ends of the intervals `at`; NaN: not known."""
    half: SurvivalModel[Any] = _half(model, SurvivalModel)
    return half.risks(model, table, at, **arrays)


def transformed(spec: Spec, table: AnalysisTable, rows: Mask, arrays: Arrays) -> AnalysisTable:
    """The table with its columns changed by a global result; the site's own part comes from `rows`.

    Raises:
        SpecError: invalid-study; the protocol does not change columns.
    """
    half: ColumnTransform[Any] = _half(spec, ColumnTransform)
    return half.transform(spec, table, rows, **arrays)


def arrays_of(result: Result) -> Arrays:
    """The arrays that a site needs to apply a result to its own rows.

    Raises:
        SpecError: invalid-study; a result of this kind is not applied to rows.
    """
    if not isinstance(result, Applicable):
        raise SpecError(Code.INVALID_STUDY, f"{type(result).__name__} is not applied to people's rows")
    return result.transform_arrays()


def _half(spec: Spec, role: type[P]) -> P:
    """The protocol of a spec, as the half of a role that holds its method."""
    found = protocol(spec.protocol)
    if not isinstance(found, role):
        raise SpecError(Code.INVALID_STUDY, f"protocol {spec.protocol!r} is not a {role.__name__}")
    return found


class _OfRoles:
    """Makes pydantic parse a spec by its protocol, and refuse one that has none of the roles."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        union = get_origin(source) in (Union, types.UnionType)
        roles = get_args(source) if union else (source,)
        return core_schema.no_info_before_validator_function(partial(_parsed, roles), handler(source))


Model = Annotated[SerializeAsAny[R], _OfRoles()]
"""A spec of any protocol that has the role, or one of several: `Model[PredictsProbability]`."""


def _parsed(roles: tuple[type[Role], ...], value: object) -> object:
    """The spec that a mapping describes.

    Raises:
        ValueError: for pydantic; it has none of the roles. Names the protocols that have.
    """
    spec = parse_spec(value) if isinstance(value, Mapping) else value
    if not isinstance(spec, Spec):
        return spec  # pydantic says what is wrong with it
    check_role(spec, roles)
    return spec


def check_role(spec: Spec, roles: tuple[type[Role], ...]) -> None:
    """Raises unless an analysis can do what one of the roles says.

    Raises:
        ValueError: for pydantic; names the protocols that can.
    """
    shortfalls = [spec.shortfall(role) for role in roles if isinstance(spec, role) and isinstance(spec, Role)]
    if not shortfalls:
        abilities = " or ".join(role.ability for role in roles)
        able = ", ".join(name for name in sorted(CATALOGUE) if issubclass(protocol(name).spec_type, roles))
        raise ValueError(f"{spec.protocol} does not {abilities}; these protocols do: {able}")
    if all(shortfalls):
        raise ValueError(f"{spec.protocol} cannot be used here: {shortfalls[0]}")
