"""Cohorts, variables and studies as calls, which fill the models that a study's file fills, and no others.

So a study from a notebook has the hash of the same study from YAML. Everything is immutable: a call gives
back another object with one thing more.
"""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from cdm.cohorts.cohort import Cohort as CohortModel
from protocols import CATALOGUE
from protocols.core.errors import Code, InputError
from protocols.core.protocol import protocol
from protocols.core.study import Requester, Study, read_circe, read_study, study_of_text, valid_study
from protocols.core.variables import KINDS, VariableKind


@dataclass(frozen=True)
class Cohort:
    """Who is in a study: an index event, and rules in the order in which the attrition counts them.

    Attributes:
        content: as a study's file has it under `cohort`.
    """

    content: Mapping[str, Any]

    def adults(self) -> "Cohort":
        """People of 18 years or more at the index date."""
        return self.aged(18, name="adults")

    def aged(self, at_least: int | None = None, at_most: int | None = None, *, name: str = "age") -> "Cohort":
        """People between two ages at the index date, both included."""
        bounds = {"at_least": at_least, "at_most": at_most}
        return self._with(name, kind="age", **{key: one for key, one in bounds.items() if one is not None})

    def sex(self, sex: str, *, name: str = "") -> "Cohort":
        """People of a recorded sex, `female` or `male`."""
        return self._with(name or sex, kind="sex", **{"is": sex})

    def has(self, *, modality: str, features: bool = False, name: str = "") -> "Cohort":
        """People with an image series of a modality; with `features`, one of which features are known."""
        words = f"{modality} with features" if features else modality
        return self._with(name or words, kind="imaging", modality=modality, features=features)

    def tested(self, gene: str, *, mutated: bool | None = None, name: str = "") -> "Cohort":
        """People in whom a gene was tested, or tested with this outcome."""
        words = {None: "tested", True: "mutated", False: "not mutated"}[mutated]
        return self._with(name or f"{gene} {words}", kind="gene", gene=gene, mutated=mutated)

    def followed(self, days: int, *, name: str = "") -> "Cohort":
        """People with so many days from the index date to the last contact or death."""
        return self._with(name or f"{days} days of follow-up", kind="follow_up", at_least_days=days)

    def record(
        self,
        concept: str,
        *,
        from_days: int | None = None,
        to_days: int | None = None,
        absent: bool = False,
        name: str = "",
    ) -> "Cohort":
        """People with a record of DOMAIN:VOCABULARY:CODE between two days of the index date; or without."""
        domain, _, code = concept.partition(":")
        window = {"from_days": from_days, "to_days": to_days, "absent": absent}
        words = f"no {concept}" if absent else concept
        return self._with(name or words, kind="record", domain=domain, concept=code, **window)

    def _with(self, name: str, **rule: Any) -> "Cohort":
        if "circe" in self.content:
            text = "a cohort of ATLAS has its rules in ATLAS"
            raise InputError(Code.INVALID_INPUT, text, "add the rule there and export it again")
        rules = [*self.content.get("rules", ()), {"name": name, **rule}]
        return cohort_of({**self.content, "rules": rules})

    def __str__(self) -> str:
        return yaml.safe_dump({"cohort": dict(self.content)}, sort_keys=False)

    __repr__ = __str__


def cohort(concept: str, *, pick: str = "first") -> Cohort:
    """People with a record of DOMAIN:VOCABULARY:CODE, whose first (or last) is the index date.

    Raises:
        InputError: it is not of this form.

    >>> print(cohort("condition:ICD10CM:C71%").adults())
    cohort:
      index:
        domain: condition
        concept: ICD10CM:C71%
        pick: first
      rules:
      - name: adults
        kind: age
        at_least: 18
    <BLANKLINE>
    """
    domain, _, code = concept.partition(":")
    if not code:
        text = f"{concept!r} is not DOMAIN:VOCABULARY:CODE"
        raise InputError(Code.INVALID_INPUT, text, "for example: condition:ICD10CM:C71%")
    return cohort_of({"index": {"domain": domain, "concept": code, "pick": pick}})


def atlas(path: str | Path) -> Cohort:
    """The cohort of a JSON file as ATLAS exports it.

    Raises:
        InputError: there is no such file, or it is not such a cohort.
    """
    return cohort_of({"circe": read_circe(Path(path))})


def cohort_of(content: Mapping[str, Any]) -> Cohort:
    """The cohort of plain data.

    Raises:
        InputError: it is not a cohort; the text says where.
    """
    try:
        TypeAdapter[Any](CohortModel).validate_python(content)
    except ValidationError as error:
        faults = "; ".join(str(one["msg"]).removeprefix("Value error, ") for one in error.errors()[:4])
        raise InputError(Code.INVALID_INPUT, f"this is not a cohort: {faults}") from None
    return Cohort(content)


def variable(kind: str) -> Callable[..., VariableKind]:
    """The function that makes variables of a kind, whose arguments are the kind's fields.

    Raises:
        AttributeError: there is no such kind.

    >>> variable("gene")("IDH1")
    Gene(kind='gene', gene='IDH1', state='mutated', origin='somatic')
    """
    if kind not in KINDS:
        raise AttributeError(f"there is no kind of variable {kind!r}; known: {', '.join(sorted(KINDS))}")
    model = KINDS[kind]

    def make(*given: Any, **fields: Any) -> VariableKind:
        content = {"kind": kind, **_named(model, ("kind",), given, fields)}
        try:
            return model.model_validate(content)
        except ValidationError as error:
            raise InputError(Code.INVALID_INPUT, f"{kind}: {_faults(error)}") from None

    return _described(make, kind, model, ("kind",))


@dataclass(frozen=True)
class StudyBuilder:
    """A study under way: one method for each protocol adds an analysis.

    Example:
        study("idh1", cohort=glioma, variables=v, requester=me).cox("survival", "os", ["age", "idh1"])

    Attributes:
        content: as a study's file has it.
    """

    content: Mapping[str, Any]
    _known: tuple[str, ...] = field(default=tuple(sorted(CATALOGUE)), repr=False)

    @property
    def study(self) -> Study:
        """The study.

        Raises:
            InputError: it is not a valid one yet; the text says where, and why.
        """
        return valid_study(dict(self.content))

    def analysis(
        self, name: str, spec: Mapping[str, Any], *, after: str | Sequence[str] = (), title: str = ""
    ) -> "StudyBuilder":
        """The study with one analysis more, by its spec as a file has it.

        Raises:
            InputError: the study would not be valid with it.
        """
        before = [after] if isinstance(after, str) else list(after)
        more = {"name": name, "spec": dict(spec)}
        more |= {"after": before} if before else {}
        more |= {"title": title} if title else {}
        grown = replace(self, content={**self.content, "analyses": [*self.content["analyses"], more]})
        valid_study(dict(grown.content))
        return grown

    def __getattr__(self, name: str) -> Callable[..., "StudyBuilder"]:
        """The method of a protocol: `cox`, `combat`, `logistic`, ..."""
        if name.startswith("_") or name not in CATALOGUE:
            raise AttributeError(f"there is no protocol {name!r}; known: {', '.join(sorted(CATALOGUE))}")
        model = protocol(name).spec_type

        def add(
            analysis: str, *given: Any, after: str | Sequence[str] = (), title: str = "", **fields: Any
        ) -> StudyBuilder:
            spec = {"protocol": name, **_named(model, ("protocol",), given, fields)}
            return self.analysis(analysis, spec, after=after, title=title)

        return _described(add, name, model, ("protocol",), first=("analysis",))

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._known]

    def to_yaml(self, path: str | Path | None = None) -> str:
        """The study's file, also written to `path`: the command line reads the same study from it."""
        text = to_yaml(self.study)
        if path is not None:
            Path(path).write_text(text)
        return text

    def hash(self) -> str:
        """The study's name for signatures and approvals."""
        return self.study.hash()

    def _repr_html_(self) -> str:
        return as_html(self.study)


def study(
    name: str,
    *,
    cohort: Cohort | Mapping[str, Any],
    variables: Mapping[str, VariableKind | Mapping[str, Any]],
    title: str = "",
    purpose: str = "",
    requester: Requester | Mapping[str, str] | None = None,
    **more: Any,
) -> StudyBuilder:
    """A study without analyses yet; `more` are its other fields, such as `min_sites` and `blocks`."""
    kinds = {
        key: kind.model_dump(mode="json", by_alias=True) if isinstance(kind, BaseModel) else dict(kind)
        for key, kind in variables.items()
    }
    content: dict[str, Any] = {
        "name": name,
        "title": title or name,
        "purpose": purpose,
        "cohort": dict(cohort.content if isinstance(cohort, Cohort) else cohort),
        "variables": kinds,
        "analyses": [],
        **more,
    }
    if requester is not None:
        content["requester"] = requester.model_dump() if isinstance(requester, Requester) else dict(requester)
    return StudyBuilder(content)


AnyStudy = Study | StudyBuilder | str | Path
"""A study itself, one under way, its text, or the path of its file."""


def as_study(given: AnyStudy) -> Study:
    """The study that was meant.

    Raises:
        InputError: it is not a valid study, or there is no such file.
    """
    if isinstance(given, Study):
        return given
    if isinstance(given, StudyBuilder):
        return given.study
    is_text = isinstance(given, str) and "\n" in given
    return study_of_text(str(given)) if is_text else read_study(Path(given))


def to_yaml(study: Study) -> str:
    """A study as a file that people read and edit; every default is written out."""
    content = json.loads(study.canonical())
    first = ("name", "title", "purpose", "requester", "cohort", "variables", "blocks", "analyses")
    ordered = {key: content[key] for key in first if key in content}
    return yaml.safe_dump({**ordered, **content}, sort_keys=False, allow_unicode=True)


def as_html(study: Study) -> str:
    """A study for a notebook: who is in it, what is read, and what would leave each site."""
    variables = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{escape(_in_words(kind))}</td></tr>"
        for name, kind in study.variables.items()
    )
    leaves = "".join(f"<li>{escape(line)}</li>" for line in study.describe())
    steps = "".join(f"<li>{escape(step)}</li>" for step in study.cohort.steps())
    return (
        f"<strong>{escape(study.title)}</strong> <code>{study.hash()[:16]}</code>"
        f"<details open><summary>cohort</summary><ol>{steps}</ol></details>"
        f"<table><caption>variables</caption><tbody>{variables}</tbody></table>"
        f"<details><summary>what would leave each site</summary><ul>{leaves}</ul></details>"
    )


def _in_words(kind: BaseModel) -> str:
    content = kind.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return ", ".join([str(content.pop("kind")), *(f"{key}: {one}" for key, one in content.items())])


def _named(
    model: type[BaseModel], left_out: tuple[str, ...], given: tuple[Any, ...], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields by their names in a file: those given by place, in the model's order, and by name."""
    names = _names(model, left_out)
    if len(given) > len(names):
        raise TypeError(f"takes {len(names)} arguments at most: {', '.join(names)}")
    placed = dict(zip(names, given, strict=False))
    if twice := placed.keys() & fields.keys():
        raise TypeError(f"given twice: {', '.join(sorted(twice))}")
    return {**placed, **{key.removesuffix("_"): one for key, one in fields.items()}}


def _names(model: type[BaseModel], left_out: tuple[str, ...]) -> list[str]:
    return [model.model_fields[name].alias or name for name in _in_order(model) if name not in left_out]


def _in_order(model: type[BaseModel]) -> list[str]:
    """The names of its fields: its own first, as it writes them, then those that it shares with others."""
    own = [name for name in inspect.get_annotations(model) if name in model.model_fields]
    return [*own, *(name for name in model.model_fields if name not in own)]


def _described(
    function: Callable[..., Any],
    name: str,
    model: type[BaseModel],
    left_out: tuple[str, ...],
    first: tuple[str, ...] = (),
) -> Callable[..., Any]:
    """The function under its name, with the model's fields as its signature, for help and an editor."""
    either = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(one, either) for one in first]
    for key in _in_order(model):
        one = model.model_fields[key]
        if key not in left_out:
            default = (
                inspect.Parameter.empty if one.is_required() else one.get_default(call_default_factory=True)
            )
            kind = either if key.isidentifier() else inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(key, kind, default=default, annotation=one.annotation))
    required = [one for one in parameters if one.default is inspect.Parameter.empty]
    others = [one for one in parameters if one.default is not inspect.Parameter.empty]
    vars(function)["__signature__"] = inspect.Signature([*required, *others])
    function.__name__, function.__doc__ = name, model.__doc__
    return function


def _faults(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:4])
