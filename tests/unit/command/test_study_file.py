"""Every field of a study has an example in docs/study-file.md, and every example there is read and run."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

import shadowgraph as sg
from cdm.cohorts.circe import Expression
from cdm.cohorts.cohort import AtlasCohort, CohortDefinition, Event
from protocols.core.block_kinds import BLOCK_KINDS
from protocols.core.block_kinds import Rule as Features
from protocols.core.disclosure import Thresholds
from protocols.core.study import Analysis, Requester, Study
from protocols.core.variables import KINDS, Scanner, Survival
from protocols.core.variables.variable import Window
from server.web.wizard import RULES

PAGE = Path(__file__).parents[3] / "docs" / "study-file.md"
MODELS: tuple[type[BaseModel], ...] = (
    *(Study, Requester, CohortDefinition, Event, AtlasCohort, Window, Features, Thresholds, Analysis),
    *(*RULES.values(), *KINDS.values(), *BLOCK_KINDS.values()),
)


def examples() -> list[dict[str, Any]]:
    """The page's examples, the whole study first."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


def study_of(part: Mapping[str, Any], folder: Path) -> Study:
    """The whole study with a part laid over it, with an analysis that reads what the part adds."""
    whole = examples()[0]
    laid = {**whole, **part, "variables": {**whole["variables"], **part.get("variables", {})}}
    study = sg.read(_written(folder, laid))
    added = [
        {"name": f"reads_{name}", "spec": {"protocol": "summary", "of": [f"{name}.time"]}}
        if isinstance(kind, Survival)
        else {"name": f"reads_{name}", "spec": {"protocol": "summary", "of": [name]}}
        for name, kind in study.variables.items()
        if name in part.get("variables", {}) and not isinstance(kind, Scanner)
    ]
    added += [
        {
            "name": f"reads_{name}",
            "spec": {"protocol": "associate", "features": {"block": name}, "outcomes": ["age"]},
        }
        for name in study.blocks
    ]
    return sg.read(_written(folder, {**laid, "analyses": [*laid["analyses"], *added]}))


def _written(folder: Path, content: Mapping[str, Any]) -> Path:
    (folder / "epic.txt").write_text("cg00000029\ncg00000108\ncg00000109\n")
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False))
    return path


def fields_set(model: BaseModel) -> Iterator[tuple[type[BaseModel], str]]:
    """The fields that a file set, of a model and of all within it but ATLAS's own language and specs."""
    for name in model.model_fields_set:
        yield type(model), name
        yield from _inside(getattr(model, name))


def _inside(value: object) -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    for one in value if isinstance(value, tuple) else (value,):
        if isinstance(one, BaseModel) and not isinstance(one, Expression):
            yield from fields_set(one)


@pytest.mark.parametrize("part", examples(), ids=lambda part: "-".join(part))
def test_an_example_runs_on_dummy_people(part: dict[str, Any], tmp_path: Path) -> None:
    assert sg.dummy(people=150).run(study_of(part, tmp_path)).failures == {}


def test_every_field_has_an_example(tmp_path: Path) -> None:
    shown = {field for part in examples() for field in fields_set(study_of(part, tmp_path))}
    lacking = [
        f"{model.__name__}.{name}"
        for model in MODELS
        for name in model.model_fields
        if name != "axis" and (model, name) not in shown
    ]
    assert lacking == []
