"""A study as a file: who, which variables, which analyses, and how little may leave. Hashed and signed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cdm.cohorts.cohort import Cohort
from protocols.core.axis import on_axes
from protocols.core.block_kinds import BlockOfStudy, axes_of, with_lists
from protocols.core.complete_cases import CompleteCases, needs, sets_of_variables
from protocols.core.disclosure import Thresholds
from protocols.core.errors import Code, InputError, ShadowgraphError, SpecError, not_found
from protocols.core.exclusive import check_exclusive
from protocols.core.faults import in_words
from protocols.core.gene_sets import with_gene_sets
from protocols.core.privacy import MayBePrivate
from protocols.core.protocol import Spec, parse_spec, protocol, specs_in
from protocols.core.ranges import Range, check_ranges
from protocols.core.roles import Transforms, check_role
from protocols.core.variables import Column, Name, Variable, check_changing
from protocols.core.variables.scoring_file import with_weights

SCHEMA_VERSION = 1
MAX_BYTES = 5_000_000
"""A study is a question and not a table: larger ones name columns by a rule."""
MAX_TEXT = 500_000
"""YAML is read slowly: this much takes seconds."""


class Requester(BaseModel):
    """Who asks a consortium: what a site's people read first, and its policy may go by.

    Attributes:
        name: the person who answers for the study.
        institution: where they work, in the words by which the sites know it.
        ethics: the vote under which they ask, with its committee and number.
        funding: who pays, for the report's checklist.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    institution: str = Field(min_length=1, max_length=200)
    ethics: str = Field(min_length=1, max_length=200)
    funding: str = Field(default="", max_length=500)


Digits = Literal["full", "earned"]
"""Of the results of designs that can be enumerated: all, or those that tell no more than guessing."""


Cells = Literal["coarse", "exact"]
"""Of tables, histograms, life tables and trees: such as stand on enough people, or as they are."""


class Analysis(BaseModel):
    """One analysis of a study: a name, a protocol's spec, and the harmonizations that come before it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    title: str = Field(default="", max_length=120)
    spec: SerializeAsAny[Spec]
    after: tuple[str, ...] = ()

    @field_validator("spec", mode="before")
    @classmethod
    def _by_its_protocol(cls, value: object) -> object:
        return parse_spec(value) if isinstance(value, Mapping) else value


class Study(BaseModel):
    """A signed question to a consortium. What is not in here, no site answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(default=SCHEMA_VERSION, ge=SCHEMA_VERSION, le=SCHEMA_VERSION)
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")
    title: str = Field(max_length=200)
    purpose: str = Field(default="", max_length=2000)
    requester: Requester | None = None
    """None where a study is tried at home; a site's shipped policy answers nobody who is not named."""
    cohort: Cohort
    variables: dict[Name, Variable] = Field(max_length=5000)
    blocks: dict[Name, BlockOfStudy] = Field(default_factory=dict, max_length=20)
    """People x a named axis each, by a rule; a study without them has the hash that it always had."""
    ranges: dict[Column, Range] = Field(default_factory=dict, max_length=5000)
    """The least and the largest value that a column can have; another one counts as missing at the site.

    By it every site bounds what a sum over people can be (`core/ranges.py`).
    """
    exclusive: tuple[tuple[Name, ...], ...] = Field(default=(), max_length=200)
    """Sets of 0/1 variables of which nobody has two; who does counts as missing (`core/exclusive.py`)."""
    complete_cases: CompleteCases = "study"
    """About whom the analyses are: one set of people unless it says otherwise (`core/complete_cases.py`)."""
    analyses: tuple[Analysis, ...] = Field(min_length=1, max_length=500)
    min_sites: int = Field(default=3, ge=1, le=50)
    thresholds: Thresholds = Thresholds()
    digits: Digits = "earned"
    """`full` wishes for results with all their digits; the strictest of the sites' policies decides.

    A study that wishes for nothing has the hash that it always had.
    """
    cells: Cells = "coarse"
    """`exact` asks for cells of few people in sums over sites, and for models of few with two 0/1 variables.

    A site's policy says whether it may. A study that does not has the hash that it always had.
    """
    shown_per: dict[Name, Annotated[float, Field(gt=0, allow_inf_nan=False)] | Literal["sd"]] = Field(
        default_factory=dict, max_length=500
    )
    """By how much of a covariate its ratios and coefficients are shown: a number, or a standard deviation.

    For the report alone: nothing is computed from it, and a study without it has the hash that it always had.
    """

    _sets: tuple[object, object, Mapping[str, tuple[str, ...]]] = PrivateAttr((None, None, {}))

    @field_validator("analyses")
    @classmethod
    def _know_the_study(cls, analyses: tuple[Analysis, ...], others: ValidationInfo) -> tuple[Analysis, ...]:
        analyses = on_axes(analyses, axes_of(others.data.get("blocks", {})))
        analyses = _with_ranges(analyses, others.data.get("ranges", {}))
        variables, rule = others.data.get("variables", {}), others.data.get("complete_cases", "study")
        needed, sets = needs(analyses, variables), sets_of_variables(rule, analyses, variables)
        told = ((a, a.spec.of_study(needed, sets)) for a in analyses)
        return tuple(a if spec is a.spec else a.model_copy(update={"spec": spec}) for a, spec in told)

    @model_validator(mode="after")
    def _names_agree(self) -> "Study":
        check_changing(self.variables)
        check_ranges(self.ranges, self.variables)
        check_exclusive(self.exclusive, self.variables)
        seen: set[str] = set()
        made = {analysis.name: analysis.spec.makes() for analysis in self.analyses}
        for analysis in self.analyses:
            if analysis.name in seen:
                raise ValueError(f"two analyses are named {analysis.name}")
            columns = [column for before in analysis.after for column in made.get(before, ())]
            known = {*self.variables, *columns}
            if len(known) < len(self.variables) + len(columns):
                raise ValueError(f"analysis {analysis.name}: two of what is before it have one column's name")
            fewest = max(spec.fewest_sites() for spec in specs_in(analysis.spec))
            if fewest > self.min_sites:
                raise ValueError(f"analysis {analysis.name} rests on {fewest} sites: min_sites is less")
            for spec in specs_in(analysis.spec):
                if isinstance(spec, MayBePrivate) and (unbounded := spec.without_range()):
                    raise ValueError(
                        f"analysis {analysis.name}: with `privacy` the lowest and highest value of "
                        f"{', '.join(unbounded)} must be known before: name them under the study's ranges"
                    )
            missing = [v for v in analysis.spec.variables() if v not in known]
            if missing:
                raise ValueError(
                    f"analysis {analysis.name}: no such variable: {', '.join(sorted(missing))}; "
                    f"the study has {', '.join(sorted(known)) or 'none'}"
                )
            later = [a for a in analysis.after if a not in seen]
            if later:
                raise ValueError(f"analysis {analysis.name}: {', '.join(later)} does not come before it")
            for before in (a for a in self.analyses if a.name in analysis.after):
                _check_before(analysis.name, before)
            seen.add(analysis.name)
        return self

    @property
    def people_with(self) -> Mapping[str, tuple[str, ...]]:
        """Analysis -> the variables that all of its people have a value of; none: its own complete cases."""
        rule, analyses, found = self._sets
        if rule is not self.complete_cases or analyses is not self.analyses:  # this is a changed copy
            found = sets_of_variables(self.complete_cases, self.analyses, self.variables)
            self._sets = self.complete_cases, self.analyses, found
        return found

    @model_validator(mode="after")
    def _shown_variables_exist(self) -> "Study":
        made = {column for analysis in self.analyses for column in analysis.spec.makes()}
        if strange := self.shown_per.keys() - self.variables.keys() - made:
            raise ValueError(f"shown_per names no variable of the study: {', '.join(sorted(strange))}")
        return self

    def canonical(self) -> bytes:
        """The study in its one canonical form: JSON, keys sorted, defaults written out."""
        content = self.model_dump(mode="json", by_alias=True)
        for late in ("requester", "shown_per", "blocks", "ranges", "exclusive"):
            if not content[late]:
                del content[late]  # a study without it has the hash that it had before the field
        for name, default in (("digits", "earned"), ("complete_cases", "study"), ("cells", "coarse")):
            if content[name] == default:
                del content[name]
        return canonical_json(content)

    def hash(self) -> str:
        """The SHA-256 of the canonical form, in hex: the study's name for signatures and approvals."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def analysis(self, name: str) -> Analysis:
        """The analysis of that name.

        Raises:
            SpecError: the study has no such analysis.
        """
        for analysis in self.analyses:
            if analysis.name == name:
                return analysis
        raise SpecError(Code.INVALID_STUDY, f"the study has no analysis {name!r}")

    def spec(self, analysis: str, part: tuple[str, ...] = ()) -> Spec:
        """The spec of an analysis, or the one that stands inside it at `part` (fields, keys, positions).

        Raises:
            SpecError: nothing of the kind stands there.
        """
        spec: object = self.analysis(analysis).spec
        for name in part:
            spec = _inside(spec, name)
        if not isinstance(spec, Spec):
            raise SpecError(Code.INVALID_STUDY, f"analysis {analysis!r} has no part {'.'.join(part)!r}")
        return spec

    def width(self) -> int:
        """How many variables it reads, each name on the axis of a block being one."""
        return len(self.variables) + sum(axis.size for axis in axes_of(self.blocks).values())

    def describe(self) -> list[str]:
        """What would leave a site, analysis by analysis, in words."""
        lines = []
        for analysis in self.analyses:
            for line in protocol(analysis.spec.protocol).describe(analysis.spec):
                lines.append(f"{analysis.name}: {line}")
        return lines


def _with_ranges(analyses: tuple[Analysis, ...], ranges: Mapping[str, Range]) -> tuple[Analysis, ...]:
    """The analyses, those with privacy with the study's ranges for variables of which they name none."""
    return tuple(
        a.model_copy(update={"spec": a.spec.with_ranges(ranges)}) if isinstance(a.spec, MayBePrivate) else a
        for a in analyses
    )


def _check_before(name: str, before: Analysis) -> None:
    """Raises unless an analysis can come before the named one: it changes columns.

    Raises:
        ValueError: for pydantic.
    """
    try:
        check_role(before.spec, (Transforms,))
    except ValueError as error:
        raise ValueError(f"analysis {name} comes after {before.name}, but {error}") from None


def _inside(value: object, name: str) -> object:
    """What stands in a model, a mapping or a tuple under a name; None, if nothing does."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return getattr(value, name) if name in fields else None  # a question names the field
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, tuple) and name.isdigit() and int(name) < len(value):
        return value[int(name)]
    return None


def canonical_json(value: object) -> bytes:
    """JSON bytes with sorted keys, no spaces and no NaN: equal values give equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False
    ).encode()


def parse_study(data: bytes) -> Study:
    """The study of its canonical bytes, as they cross the wire: JSON alone, read in milliseconds.

    Raises:
        InputError: they are larger than `MAX_BYTES`, or not a valid study.
    """
    if len(data) > MAX_BYTES:
        raise InputError(Code.INVALID_STUDY, f"the study is larger than {MAX_BYTES // 10**6} MB")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        raise InputError(Code.INVALID_STUDY, "the study is not JSON") from None
    return valid_study(content)


def study_of_text(text: str) -> Study:
    """The study of a text that somebody sent: YAML or JSON, which names no file of this machine.

    Raises:
        InputError: it is larger than `MAX_TEXT`, has aliases (`*name`), or is not a valid study.
    """
    content = loaded_text(text)
    cohort = content.get("cohort") if isinstance(content, dict) else None
    if isinstance(cohort, dict) and isinstance(cohort.get("circe"), str):
        raise InputError(
            Code.INVALID_STUDY, "cohort.circe names a file", "put what ATLAS exported there itself"
        )
    return valid_study(content)


def loaded_text(text: str) -> Any:
    """The content of YAML or JSON that somebody sent.

    Raises:
        InputError: it is larger than `MAX_TEXT`, has aliases, or is neither.
    """
    if len(text) > MAX_TEXT:
        raise InputError(Code.INVALID_STUDY, f"a text that is sent has {MAX_TEXT} letters at most")
    return _loaded(text.encode(), _WithoutAliases)


class _WithoutAliases(yaml.SafeLoader):
    """An alias stands for what may be much larger than its text, again and again."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read here")
        return super().compose_node(parent, index)


def _loaded(data: bytes, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:
    try:
        return yaml.load(data, Loader=loader)
    except RecursionError:
        raise InputError(Code.INVALID_STUDY, "the study is nested too deeply") from None
    except yaml.YAMLError as error:
        raise InputError(Code.INVALID_STUDY, f"the study is neither YAML nor JSON: {error}") from None


def valid_study(content: Any) -> Study:
    """The study of plain data, as YAML or JSON hold it.

    Raises:
        InputError: it is not a valid study; the text says where, and why.
    """
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        text = in_words(error.errors(), content) if isinstance(content, dict) else "the file holds none"
        raise InputError(Code.INVALID_STUDY, f"the study is not valid: {text}") from None
    except ShadowgraphError as error:
        raise InputError(error.code, error.text, error.fix) from None


def read_study(path: Path) -> Study:
    """The study of a YAML or JSON file; `{circe: FILE}` and `{file: FILE}` lie beside the study.

    Raises:
        InputError: there is no such file, or it is not a valid study.
    """
    if not path.is_file():
        raise not_found(path, "study file")
    content = _loaded(path.read_bytes())
    cohort = content.get("cohort") if isinstance(content, dict) else None
    if isinstance(cohort, dict) and isinstance(cohort.get("circe"), str):
        content = {**content, "cohort": {"circe": read_circe(path.parent / cohort["circe"])}}
    variables = content.get("variables") if isinstance(content, dict) else None
    if isinstance(variables, dict):
        content = {**content, "variables": with_weights(variables, path.parent)}
    blocks = content.get("blocks") if isinstance(content, dict) else None
    if isinstance(blocks, dict):
        content = {**content, "blocks": with_lists(blocks, path.parent)}
    analyses = content.get("analyses") if isinstance(content, dict) else None
    if isinstance(analyses, list):
        content = {**content, "analyses": with_gene_sets(analyses, path.parent)}
    return valid_study(content)


def read_circe(path: Path) -> object:
    """The content of a cohort's file as ATLAS exports it.

    Raises:
        InputError: there is no such file, or it is not JSON.
    """
    if not path.is_file():
        raise not_found(path, "cohort file")
    try:
        content: object = json.loads(path.read_bytes())
    except ValueError:
        raise InputError(Code.INVALID_STUDY, f"the cohort {path.name} is not JSON") from None
    return content
