"""A study on this site's data alone, for the person who decides. Nothing of it leaves the site."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from cdm.vocabulary.doubts import DOUBTS
from protocols.core.axis import look_in
from protocols.core.lockstep import Failure
from protocols.exchange.local import run_locally
from protocols.runtime.output import plain
from site_node.agent.published_before import PublishedBefore, published_before
from site_node.governance import approvals, audit
from site_node.governance.policy import read_policy
from site_node.home import config
from site_node.home.cdm import open_cdm
from site_node.home.register import now
from site_node.study_table.build import build_table

FOLDER = "simulations"


@dataclass(frozen=True)
class Attrition:
    """How many people one rule of a cohort left."""

    rule: str
    people: int


@dataclass(frozen=True)
class Doubtful:
    """How many records a variable left out, or read by a policy, since they were not wholly understood.

    Attributes:
        doubt: its kind, as in `cdm.vocabulary.doubts.DOUBTS`.
        way_out: what the data steward can do.
    """

    variable: str
    doubt: str
    records: int
    way_out: str


@dataclass(frozen=True)
class Simulation:
    """Whom a study finds at this site alone.

    Attributes:
        missing: column -> people without a value; `block NAME` -> people without any of its numbers.
        doubts: what of each variable rests on doubt, in the order of the study's variables.
        in_doubt: variable -> people with such a record.
        published: what was published about these people before; None in one that an earlier release kept.
        analyses: name -> None, or the code with which it could not be answered here alone.
    """

    people: int
    attrition: tuple[Attrition, ...]
    missing: Mapping[str, int]
    doubts: tuple[Doubtful, ...]
    analyses: Mapping[str, str | None]
    in_doubt: Mapping[str, int]
    published: PublishedBefore | None = None
    schema_version: int = 1


@dataclass(frozen=True)
class KeptSimulation:
    """The last simulation of a study, and when it was made."""

    at: str
    found: Simulation


def simulate(home: Path, reference: str, *, by: str = "") -> Simulation:
    """Whom a proposed study finds here, rule by rule, and which of its analyses this site could answer.

    It is kept in the site's folder, for the page on which a person decides.
    """
    study = approvals.find(home, reference)
    settings = config.load(home)
    look_in(home)
    engine = open_cdm(settings)
    try:
        built = build_table(engine, study, settings.name, folder=home)
    finally:
        engine.dispose()
    alone, policy = study.model_copy(update={"min_sites": 1}), read_policy(home)
    outcome = run_locally(alone, [built.table], thresholds=policy.thresholds)
    audit.act(home, "study-simulated", by, study=study.hash())
    made = Simulation(
        people=len(built.table),
        attrition=tuple(Attrition(rule, count) for rule, count in built.attrition),
        # NaN is the one value that differs from itself
        missing={name: int((column != column).sum()) for name, column in built.table.columns.items()}
        | {f"block {name}": int((~block.present).sum()) for name, block in built.table.blocks.items()},
        doubts=tuple(
            Doubtful(variable, kind, records, DOUBTS[kind].way_out)
            for variable, kinds in built.doubts.items()
            for kind, records in kinds.items()
            if records
        ),
        analyses={
            name: str(found.code) if isinstance(found, Failure) else None
            for name, found in outcome.results.items()
        },
        in_doubt=built.in_doubt,
        published=published_before(home, study, built.table, policy),
    )
    _keep(home, study.hash(), made)
    return made


def kept(home: Path, study_hash: str) -> KeptSimulation | None:
    """The last simulation of a study; None before there is one."""
    path = _path(home, study_hash)
    return TypeAdapter(KeptSimulation).validate_json(path.read_bytes()) if path.is_file() else None


def _keep(home: Path, study_hash: str, made: Simulation) -> None:
    path = _path(home, study_hash)
    path.parent.mkdir(exist_ok=True, mode=0o700)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(plain(KeptSimulation(now().isoformat(), made))))
    draft.replace(path)


def _path(home: Path, study_hash: str) -> Path:
    return home / FOLDER / f"{study_hash}.json"
