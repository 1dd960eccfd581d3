"""Long work that a page asks for: kept in a file, done one after the other, taken up again after a kill."""

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

from protocols.core.errors import Code, InputError, ShadowgraphError
from protocols.runtime.accounts.roles import Actor, Role
from protocols.runtime.database import insert, open_database, transaction
from protocols.runtime.events import Progress
from protocols.runtime.output import plain
from site_node.actions import features, loads, mapping
from site_node.desk import backups, data
from site_node.governance import audit
from site_node.home.config import load
from site_node.home.job_file import FILE, STEPS
from site_node.home.register import now

MOST_TRIES = 3
LOOK_SECONDS = 0.5


class State(StrEnum):
    """How a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


ENDED = frozenset({State.DONE, State.FAILED, State.STOPPED})


@dataclass(frozen=True)
class Job:
    """A job: what was asked by whom, how far it is, and what became of it.

    Attributes:
        result: what its action returned; None before it has.
        code, text, fix: why it failed.
    """

    number: int
    kind: str
    arguments: Mapping[str, Any]
    by: str
    state: State
    asked_at: str
    ended_at: str | None
    done: int
    total: int | None
    result: Mapping[str, Any] | None
    code: str | None
    text: str | None
    fix: str | None
    schema_version: int = 1


@dataclass(frozen=True)
class Jobs:
    """The jobs, the newest first."""

    jobs: tuple[Job, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class Places:
    """What may be loaded: files and folders directly below the folders that `site.toml` names."""

    folders: tuple[str, ...]
    places: tuple[str, ...]
    schema_version: int = 1


def _load(kind: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    def work(home: Path, place: str) -> Iterator[Any]:
        return kind(home, _inside(home, place))

    return work


KINDS: Mapping[str, Callable[..., Iterator[Any]]] = {
    "load-fhir": _load(lambda home, place: loads.add_fhir(home, str(place))),
    "load-dicom": _load(lambda home, place: loads.add_dicom(home, str(place))),
    "load-genomics": _load(loads.add_genomics),
    "load-image-features": _load(loads.add_image_features),
    "radiomics": features.compute,
    "quality": data.check_quality,
    "map": data.assign,
    "remap": mapping.remap,
    "backup": backups.make,
}
NEEDS = {"backup": Role.ADMIN}
"""Work -> the role that asks for it, where that is not a steward's."""


def places(home: Path) -> Places:
    """The files and folders from which a page may load."""
    roots = load(home).load_folders
    found = [str(one) for root in roots if root.is_dir() for one in (root, *sorted(root.iterdir()))]
    return Places(tuple(map(str, roots)), tuple(found[:500]))


def ask(home: Path, actor: Actor, kind: str, arguments: Mapping[str, Any]) -> Job:
    """The job, kept until the worker has done it.

    Raises:
        InputError: there is no such kind of work, or a place that may not be loaded from.
        NotAllowedError: it is another role's work.
    """
    if kind not in KINDS:
        raise InputError(Code.NOT_FOUND, "there is no such work")
    actor.need(NEEDS.get(kind, Role.STEWARD), "")
    if "place" in arguments:
        _inside(home, str(arguments["place"]))
    with _jobs(home) as db:
        insert(
            db,
            "job",
            kind=kind,
            arguments=json.dumps(arguments),
            by=actor.name,
            state=State.WAITING,
            asked_at=now().isoformat(),
        )
        (number,) = db.execute("SELECT last_insert_rowid()").fetchone()
    audit.act(home, "job-asked", actor.name, kind=kind, job=number)
    return shown(home, number)


def back_up(home: Path, actor: Actor) -> Job:
    """The job that writes a backup into the folder of the settings.

    Raises:
        NotAllowedError: the account is no admin's.
    """
    return ask(home, actor, "backup", {"by": actor.name})


def listed(home: Path, *, last: int = 20) -> Jobs:
    """The newest jobs."""
    with _jobs(home) as db:
        rows = db.execute("SELECT * FROM job ORDER BY number DESC LIMIT ?", (last,)).fetchall()
    return Jobs(tuple(map(_job, rows)))


def shown(home: Path, number: int) -> Job:
    """A job as it stands.

    Raises:
        InputError: not-found.
    """
    with _jobs(home) as db:
        row = db.execute("SELECT * FROM job WHERE number = ?", (number,)).fetchone()
    if row is None:
        raise InputError(Code.NOT_FOUND, "there is no such job")
    return _job(row)


def stop(home: Path, number: int, *, by: str = "") -> Job:
    """The job, which ends at its next step; what it loaded stays loaded.

    Raises:
        InputError: not-found.
    """
    shown(home, number)
    with _jobs(home) as db:
        db.execute("UPDATE job SET state = 'stopped' WHERE number = ? AND state = 'waiting'", (number,))
        db.execute("UPDATE job SET state = 'stopping' WHERE number = ? AND state = 'running'", (number,))
    audit.act(home, "job-stopped", by, job=number)
    return shown(home, number)


def watch(home: Path, number: int) -> Iterator[Job]:
    """How a job stands, each time that it has come further, until it ends.

    Raises:
        InputError: not-found.
    """
    last = None
    while True:
        found = shown(home, number)
        if found != last:
            yield found
        if found.state in ENDED:
            return
        last = found
        time.sleep(LOOK_SECONDS)


def next_job(home: Path) -> Job | None:
    """The job to do now: one that a kill interrupted, else the oldest that waits; it is running from now on.

    One that was interrupted too often has failed.
    """
    with _jobs(home) as db:
        db.execute(
            "UPDATE job SET state = 'failed', ended_at = ?, code = ?, text = 'it was interrupted too often' "
            "WHERE state IN ('running', 'stopping') AND tries >= ?",
            (now().isoformat(), Code.SITE_FAILED, MOST_TRIES),
        )
        row = db.execute(
            "SELECT * FROM job WHERE state IN ('running', 'stopping', 'waiting') "
            "ORDER BY state = 'waiting', number LIMIT 1"
        ).fetchone()
        if row is None:
            return None
        db.execute("UPDATE job SET state = 'running', tries = tries + 1 WHERE number = ?", (row["number"],))
    return _job(row)


def do(home: Path, job: Job) -> Job:
    """The job when it has ended: done, failed with a code, or stopped."""
    try:
        work = KINDS[job.kind](home, **job.arguments)
        for event in work:
            if isinstance(event, Progress):
                if _came_to(home, job.number, event) is State.STOPPING:
                    assert isinstance(work, Generator)
                    work.close()
                    return _ended(home, job.number, State.STOPPED)
            else:
                return _ended(home, job.number, State.DONE, result=json.dumps(plain(event)))
    except ShadowgraphError as error:
        return _ended(home, job.number, State.FAILED, code=error.code, text=error.text, fix=error.fix)
    except Exception as error:  # the text may hold a value
        text = f"it ended with a {type(error).__name__}"
        return _ended(home, job.number, State.FAILED, code=Code.SITE_FAILED, text=text)
    return _ended(home, job.number, State.DONE)


def _came_to(home: Path, number: int, progress: Progress) -> State:
    with _jobs(home) as db:
        db.execute(
            "UPDATE job SET done = ?, total = ? WHERE number = ?", (progress.done, progress.total, number)
        )
        row = db.execute("SELECT state FROM job WHERE number = ?", (number,)).fetchone()
    return State(row["state"])


def _ended(home: Path, number: int, state: State, **said: str) -> Job:
    values = {"state": state, "ended_at": now().isoformat(), **said}
    columns = ", ".join(f"{name} = ?" for name in values)  # names of this module, no request's
    with _jobs(home) as db:
        db.execute(f"UPDATE job SET {columns} WHERE number = ?", (*values.values(), number))  # noqa: S608
    return shown(home, number)


def _inside(home: Path, place: str) -> Path:
    """The place, if it lies in a folder from which pages may load.

    Raises:
        InputError: it does not.
    """
    found = Path(place).resolve()
    if any(found.is_relative_to(root.resolve()) for root in load(home).load_folders) and found.exists():
        return found
    raise InputError(
        Code.INVALID_INPUT, "pages do not load from there", "name its folder in `load_folders` of site.toml"
    )


@contextmanager
def _jobs(home: Path) -> Iterator[Connection]:
    """A connection to the file of jobs, inside one transaction."""
    with closing(open_database(home / FILE, STEPS)) as db, transaction(db):
        yield db


def _job(row: Row) -> Job:
    content = {name: row[name] for name in Job.__dataclass_fields__ if name != "schema_version"}
    read = {name: json.loads(content[name]) if content[name] else None for name in ("arguments", "result")}
    return Job(**{**content, **read, "state": State(row["state"])})
