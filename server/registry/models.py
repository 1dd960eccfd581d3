"""The registered models of a center: a draft, released once two people say so, or withdrawn."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from protocols.core.errors import Code, InputError
from protocols.core.study import canonical_json
from protocols.exchange.envelope import seal
from protocols.runtime import audit_chain
from protocols.runtime.database import insert, open_database, transaction
from server.coordination import signing
from server.home.identity import coordinator_key
from server.home.schema import FILE, STEPS
from server.home.store import Store
from server.registry.card import Card, card

ModelState = Literal["draft", "released", "withdrawn"]
PEOPLE = 2
"""Who have to say that a model may leave the center."""


@dataclass(frozen=True)
class Model:
    """A registered model.

    Attributes:
        number: by which it is called here.
        released_by: who have said that it may leave the center.
        objections: why it may not; empty where nothing stands against it.
    """

    number: int
    title: str
    state: ModelState
    registered_at: str
    registered_by: str
    released_by: tuple[str, ...]
    withdrawn_by: str
    note: str
    card: Card
    objections: tuple[str, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Models:
    """All registered models, the newest first."""

    models: tuple[Model, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class ModelFile:
    """A released model under the coordinator's signature, as text."""

    name: str
    text: str
    schema_version: int = 1


def listed(home: Path) -> Models:
    """All registered models, the newest first."""
    db = open_database(home / FILE, STEPS)
    try:
        rows = db.execute("SELECT * FROM model ORDER BY number DESC").fetchall()
    finally:
        db.close()
    return Models(tuple(_model(row) for row in rows))


def shown(home: Path, number: int) -> Model:
    """One model.

    Raises:
        InputError: not-found.
    """
    for one in listed(home).models:
        if one.number == number:
            return one
    raise InputError(Code.NOT_FOUND, f"there is no model {number}", "look at the list")


def register(home: Path, run: str, analysis: str, *, title: str = "", by: str) -> Model:
    """A draft of a run's analysis; the same one twice is one.

    Raises:
        InputError: not-found; no such run, or no result. invalid-input; the analysis is no model.
    """
    store = Store(home)
    one = store.submission(run)
    study = signing.read_signed(home, one.sealed)
    results: Mapping[str, Any] = json.loads(one.outcome or b"{}").get("results", {})
    made = card(study, one.run, analysis, results, tuple(sorted(one.roster or ())))
    content = canonical_json(asdict(made)).decode()
    db = open_database(home / FILE, STEPS)
    try:
        with transaction(db):
            is_new = insert(
                db,
                "model",
                "ignore",
                run=one.run,
                analysis=analysis,
                title=title[:120] or f"{study.name}: {analysis}",
                card=content,
                result=canonical_json(results[analysis]["result"]).decode(),
                state="draft",
                registered_at=datetime.now(UTC).isoformat(timespec="seconds"),
                registered_by=by,
            )
        row = db.execute("SELECT * FROM model WHERE run = ? AND analysis = ?", (one.run, analysis)).fetchone()
    finally:
        db.close()
    if is_new:
        facts = {"model": row["number"], "run": one.run, "analysis": analysis}
        audit_chain.act(home, "model-registered", by, **facts)
    return _model(row)


def release(home: Path, number: int, *, note: str = "", by: str) -> Model:
    """The model, which one more person lets leave the center; with the second one it is released.

    Raises:
        InputError: not-found. invalid-input; something stands against it, it is no draft, or the same person
            has said so before.
    """
    model = shown(home, number)
    if model.state != "draft":
        raise InputError(Code.INVALID_INPUT, f"the model is {model.state} and no draft")
    if model.objections:
        raise InputError(Code.WITHHELD, "; ".join(model.objections))
    if by in model.released_by:
        raise InputError(Code.INVALID_INPUT, "you have said so before", "a second person has to say so too")
    people = (*model.released_by, by)
    state = "released" if len(people) >= PEOPLE else "draft"
    _set(home, number, released_by=json.dumps(people), state=state, note=note or model.note)
    audit_chain.act(home, "model-released", by, model=number, state=state)
    return shown(home, number)


def withdraw(home: Path, number: int, *, note: str = "", by: str) -> Model:
    """The model, of which no file is given out any more.

    Raises:
        InputError: not-found; or it was withdrawn before.
    """
    model = shown(home, number)
    if model.state == "withdrawn":
        raise InputError(Code.INVALID_INPUT, "the model was withdrawn before")
    _set(home, number, state="withdrawn", withdrawn_by=by, note=note or model.note)
    audit_chain.act(home, "model-withdrawn", by, model=number)
    return shown(home, number)


def file_of(home: Path, number: int) -> ModelFile:
    """A released model: card, spec and result under the coordinator's signature.

    Raises:
        InputError: not-found; it is not there, or not released.
    """
    model = shown(home, number)
    if model.state != "released":
        raise InputError(Code.NOT_FOUND, f"the model is {model.state}", "two people have to release it first")
    db = open_database(home / FILE, STEPS)
    try:
        (result,) = db.execute("SELECT result FROM model WHERE number = ?", (number,)).fetchone()
    finally:
        db.close()
    content = canonical_json({"schema_version": 1, "card": asdict(model.card), "result": json.loads(result)})
    sealed = seal(content, coordinator_key(home), "model")
    text = json.dumps({"model": json.loads(content), "sealed": base64.b64encode(sealed).decode()}, indent=1)
    return ModelFile(f"{model.card.study}-{model.card.analysis}.model.json", text)


def _set(home: Path, number: int, **values: str) -> None:
    db = open_database(home / FILE, STEPS)
    try:
        with transaction(db):
            names = ", ".join(f"{name} = ?" for name in values)
            db.execute(f"UPDATE model SET {names} WHERE number = ?", (*values.values(), number))  # noqa: S608 names of ours
    finally:
        db.close()


def _model(row: Mapping[str, Any]) -> Model:
    made = TypeAdapter(Card).validate_json(row["card"])
    return Model(
        number=row["number"],
        title=row["title"],
        state=row["state"],
        registered_at=row["registered_at"],
        registered_by=row["registered_by"],
        released_by=tuple(json.loads(row["released_by"])),
        withdrawn_by=row["withdrawn_by"],
        note=row["note"],
        card=made,
        objections=made.objections(),
    )
