"""The center's own store: enrolled sites, submitted studies, the joined answers of every round, results.

One SQLite file. It holds no person's row: what it holds has passed every site's gate.
"""

import hashlib
import json
import secrets
import sqlite3
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocols.core.errors import Code, InputError
from protocols.exchange.enrolment import Enrolment
from protocols.exchange.envelope import WireError
from protocols.exchange.keys import verifying_key
from protocols.exchange.membership import SiteKeys, Statement
from protocols.runtime.database import insert, open_database
from server.home.round_memory import RoundMemory
from server.home.schema import FILE, STEPS
from server.home.sites import SITES, Site, site_of
from server.home.submissions import LISTED, Entry, State, Submission, entry, submission

Phase = Literal["hello", "opening"]
"""The two messages of a site before the first round of a run."""


class Store:
    """The store of one center; every method is one transaction."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        open_database(self._path, STEPS).close()
        # One idle connection, so that closing another does not write the log back into the file each time.
        idle = sqlite3.connect(self._path, check_same_thread=False)
        idle.execute("SELECT count(*) FROM site")
        weakref.finalize(self, idle.close)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db = open_database(self._path, STEPS)
        db.isolation_level = "DEFERRED"  # who only reads waits for nobody who writes
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("PRAGMA synchronous=NORMAL")  # a power cut may cost the last round; sites repeat it
        try:
            with db:
                yield db
        finally:
            db.close()

    # Sites

    def invite(self, name: str) -> None:
        """Notes that a site of that name is awaited."""
        with self._open() as db:
            insert(db, "site", "ignore", name=name, invited_at=time.time())

    def enrol(self, enrolment: Enrolment, *, new_keys: bool = False) -> None:
        """Keeps a site's keys; other ones than before only where it has `new_keys`.

        Raises:
            InputError: nobody invited it, or it is enrolled with other keys.
        """
        known = {site.name: site for site in self.sites()}.get(enrolment.site)
        if known is None:
            raise InputError(
                Code.NOT_FOUND,
                f"no site {enrolment.site!r} was invited",
                f"shadowgraph network invite {enrolment.site}",
            )
        if not new_keys and known.enrolment not in (None, enrolment):
            raise InputError(
                Code.ALREADY_EXISTS,
                f"site {enrolment.site!r} is enrolled with other keys",
                "ask there whether it made new ones; then --new-keys",
            )
        with self._open() as db:
            db.execute(
                "UPDATE site SET enrolment = ?, enrolled_at = ? WHERE name = ?",
                (enrolment.model_dump_json(), time.time(), enrolment.site),
            )

    def keep_statements(self, said: Iterable[Statement]) -> None:
        """Keeps what people at the sites said about each other, each checked by its signature before."""
        with self._open() as db:
            for one in said:
                insert(db, "statement", "ignore", **one.model_dump(exclude={"schema_version"}))

    def statements(self) -> tuple[Statement, ...]:
        """What people at the sites said about each other."""
        with self._open() as db:
            rows = db.execute("SELECT * FROM statement").fetchall()
        return tuple(Statement.model_validate(dict(row)) for row in rows)

    def site_keys(self) -> dict[str, SiteKeys]:
        """The public keys of every site that takes part."""
        return {
            site.name: SiteKeys(e.signing_key, e.masking_key, e.masking_signature)
            for site in self.sites()
            if (e := site.enrolment) is not None and site.takes_part
        }

    def seen(self, names: Iterable[str]) -> None:
        """Notes that these sites are online now."""
        with self._open() as db:
            db.executemany(
                "UPDATE site SET seen_at = ? WHERE name = ?", [(time.time(), name) for name in names]
            )

    def sites(self) -> list[Site]:
        """All sites, invited and enrolled, by name."""
        with self._open() as db:
            return [site_of(row) for row in db.execute(SITES)]

    def key_of(self, name: str) -> Ed25519PublicKey:
        """The public signing key of a site that takes part.

        Raises:
            WireError: no such site is enrolled, or it is suspended.
        """
        keys = self.site_keys().get(name)
        if keys is None:
            raise WireError(Code.BAD_SIGNATURE, f"site {name} is not enrolled")
        return verifying_key(keys.signing_key)

    # Studies

    def submit(
        self, *, study: str, name: str, title: str, sealed: bytes, invited: Iterable[str], deadline: float
    ) -> Submission:
        """The new submission of a signed study.

        Raises:
            InputError: the same study is on its way already.
        """
        run = secrets.token_hex(8)
        with self._open() as db:
            on_its_way = db.execute(
                "SELECT run FROM submission WHERE study = ? AND ended_at IS NULL", (study,)
            ).fetchone()
            if on_its_way:
                raise InputError(
                    Code.ALREADY_EXISTS,
                    f"this study is on its way already, as run {on_its_way['run']}",
                    f"shadowgraph study watch {on_its_way['run']}",
                )
            (number,) = db.execute("SELECT coalesce(max(number), 0) + 1 FROM submission").fetchone()
            insert(
                db,
                "submission",
                run=run,
                number=number,
                study=study,
                name=name,
                title=title,
                sealed=sealed,
                invited=json.dumps(sorted(invited)),
                state=State.SUBMITTED,
                submitted_at=time.time(),
                deadline=deadline,
                ask_at=0.0,
            )
        return self.submission(run)

    def submission(self, reference: str) -> Submission:
        """The latest submission whose run or study hash begins so, or whose study has that name.

        Raises:
            InputError: the store has no such study.
        """
        # From the reference up to what sorts after all that begin with it: a range, which an index answers.
        end = reference + chr(0x10FFFF)
        with self._open() as db:
            row = db.execute(
                "SELECT * FROM submission WHERE number = (SELECT max(number) FROM submission WHERE"
                " name = :reference OR run BETWEEN :reference AND :end OR study BETWEEN :reference AND :end)",
                {"reference": reference, "end": end},
            ).fetchone()
        if row is None:
            raise InputError(Code.NOT_FOUND, f"no submitted study is {reference!r}", "shadowgraph study list")
        return submission(row)

    def entries(self, study: str = "") -> list[Entry]:
        """All submissions, or those of one study by its whole hash, as lines of a list, the newest first."""
        with self._open() as db:
            rows = db.execute(
                f"SELECT {LISTED} FROM submission WHERE ? IN ('', study) ORDER BY number DESC",  # noqa: S608
                (study,),
            ).fetchall()
        return [entry(row) for row in rows]

    def due(self) -> list[str]:
        """The runs to work on now: interrupted ones first, then those whose sites are due to be asked."""
        with self._open() as db:
            rows = db.execute(
                "SELECT run FROM submission WHERE ended_at IS NULL AND (state = ? OR ask_at <= ?)"
                " ORDER BY state = ? DESC, ask_at, number",
                (State.RUNNING, time.time(), State.RUNNING),
            ).fetchall()
        return [row["run"] for row in rows]

    def open_runs(self) -> set[str]:
        """The runs that have not ended."""
        with self._open() as db:
            return {row["run"] for row in db.execute("SELECT run FROM submission WHERE ended_at IS NULL")}

    def is_open(self, run: str) -> bool:
        """Whether a run has not ended."""
        with self._open() as db:
            row = db.execute("SELECT ended_at FROM submission WHERE run = ?", (run,)).fetchone()
        return row is not None and row["ended_at"] is None

    def wait(self, run: str, ask_at: float) -> None:
        """Puts a study aside until its sites are asked again."""
        with self._open() as db:
            db.execute(
                "UPDATE submission SET state = ?, ask_at = ? WHERE run = ? AND ended_at IS NULL",
                (State.WAITING, ask_at, run),
            )

    def hasten(self, run: str) -> None:
        """Lets a study wait for no further approval, and asks its sites now."""
        with self._open() as db:
            now = time.time()
            db.execute("UPDATE submission SET deadline = ?, ask_at = 0 WHERE run = ?", (now, run))

    def begin(self, run: str, roster: Mapping[str, str]) -> None:
        """Fixes the roster of a run, or counts another attempt at it."""
        with self._open() as db:
            db.execute(
                "UPDATE submission SET state = ?, roster = coalesce(roster, ?), attempts = attempts + 1"
                " WHERE run = ? AND ended_at IS NULL",
                (State.RUNNING, json.dumps(dict(roster), sort_keys=True), run),
            )

    @contextmanager
    def at_work(self, run: str) -> Iterator[None]:
        """Counts a death of the run, unless this process lives to the end of the block."""
        self._count_death(run, 1)
        try:
            yield
        finally:
            self._count_death(run, -1)

    def _count_death(self, run: str, count: int) -> None:
        with self._open() as db:
            db.execute("UPDATE submission SET deaths = deaths + ? WHERE run = ?", (count, run))

    def finish(self, run: str, outcome: bytes, *, failed: str = "") -> bool:
        """Keeps what a run found, and which of its analyses failed; false where it had ended already."""
        return self._end(run, State.PARTIAL if failed else State.DONE, None, failed, outcome)

    def fail(self, run: str, code: Code, text: str, fix: str = "") -> bool:
        """Ends a run with a code and a way out; false where it had ended already."""
        return self._end(run, State.FAILED, code, text, None, fix)

    def withdraw(self, run: str) -> bool:
        """Ends a run as withdrawn: nothing more is sent; false where it had ended already."""
        return self._end(run, State.WITHDRAWN, None, "", None)

    def _end(
        self, run: str, state: State, code: Code | None, text: str, outcome: bytes | None, fix: str = ""
    ) -> bool:
        with self._open() as db:
            changed = db.execute(
                "UPDATE submission SET state = ?, code = ?, text = ?, fix = ?, outcome = ?, ended_at = ?"
                " WHERE run = ? AND ended_at IS NULL",
                (state, code, text, fix, outcome, time.time(), run),
            )
            db.execute("DELETE FROM relay WHERE run = ?", (run,))
            return changed.rowcount == 1

    # How sites stand to a study

    def stand(self, run: str, site: str, state: str, code: Code | None = None) -> bool:
        """Keeps how a site stands to a study; true where that is new."""
        before = self.standing(run).get(site)
        with self._open() as db:
            insert(db, "standing", "replace", run=run, site=site, state=state, code=code, at=time.time())
        return before != (state, code)

    def standing(self, run: str) -> dict[str, tuple[str, Code | None]]:
        """What each site that was asked said last: its state and a code, where it gave one."""
        with self._open() as db:
            rows = db.execute("SELECT site, state, code FROM standing WHERE run = ?", (run,)).fetchall()
        return {row["site"]: (row["state"], Code(row["code"]) if row["code"] else None) for row in rows}

    # What each site sent

    def begun(self, run: str, phase: Phase) -> dict[str, bytes]:
        """What sites signed in one phase of a run's start; openings are kept when all have come."""
        with self._open() as db:
            rows = db.execute("SELECT site, sealed FROM run_start WHERE run = ? AND phase = ?", (run, phase))
            return {row["site"]: bytes(row["sealed"]) for row in rows}

    def keep_begun(self, run: str, phase: Phase, sealed: Mapping[str, bytes]) -> None:
        """Keeps what sites signed in one phase of a run's start."""
        with self._open() as db:
            for site, said in sealed.items():
                insert(db, "run_start", "replace", run=run, phase=phase, site=site, sealed=said)

    def received(self, run: str, number: int, site: str, reply: bytes, sealed: bytes) -> None:
        """Keeps the sealed answer of a site's reply until the next round is over; then the reply's digest."""
        with self._open() as db:
            insert(db, "relay", "replace", run=run, round=number, site=site, sealed=sealed)
            db.execute("DELETE FROM relay WHERE run = ? AND round < ?", (run, number - 1))
            sha256 = hashlib.sha256(reply).hexdigest()
            insert(db, "answer", "replace", run=run, round=number, site=site, bytes=len(reply), sha256=sha256)

    def sealed_answers(self, run: str, number: int) -> dict[str, bytes]:
        """What each site signed in one of the last two rounds, as the sites see it in the next question."""
        with self._open() as db:
            rows = db.execute("SELECT site, sealed FROM relay WHERE run = ? AND round = ?", (run, number))
            return {row["site"]: bytes(row["sealed"]) for row in rows}

    def answers(self, run: str) -> list[dict[str, Any]]:
        """Round, site, bytes and sha256 of every sealed answer of a run."""
        with self._open() as db:
            rows = db.execute(
                "SELECT round, site, bytes, sha256 FROM answer WHERE run = ? ORDER BY round, site", (run,)
            )
            return [dict(row) for row in rows]

    def keep_head(self, run: str, site: str, head: str) -> None:
        """Keeps the head of a site's audit, as its latest answer in a run told it."""
        with self._open() as db:
            insert(db, "audit_head", "replace", run=run, site=site, head=head)

    def audit_heads(self, site: str) -> list[str]:
        """The heads of a site's audit that it told, the latest of each run."""
        with self._open() as db:
            rows = db.execute("SELECT head FROM audit_head WHERE site = ? ORDER BY rowid", (site,))
            return [row["head"] for row in rows]

    # What happened, for people who watch

    def note(self, run: str, what: str, detail: str = "") -> None:
        """Keeps an event of a run, in names and codes."""
        with self._open() as db:
            insert(db, "event", run=run, at=time.time(), what=what, detail=detail)

    def events(self, run: str, after: int = 0) -> list[dict[str, Any]]:
        """The events of a run that came after an event's id."""
        with self._open() as db:
            rows = db.execute("SELECT * FROM event WHERE run = ? AND id > ? ORDER BY id", (run, after))
            return [dict(row) for row in rows]

    def rounds(self) -> tuple[int, float]:
        """How many rounds of all runs were answered, and how many seconds they took together."""
        with self._open() as db:
            row = db.execute(
                """
                SELECT count(*) AS rounds, total(at - began) AS seconds FROM (
                    SELECT answered.at, (
                        SELECT max(asked.at) FROM event asked
                        WHERE asked.run = answered.run AND asked.id < answered.id
                        AND asked.what = 'asked' AND asked.detail = answered.detail
                    ) AS began FROM event answered WHERE answered.what = 'answered'
                ) WHERE began IS NOT NULL
                """
            ).fetchone()
            return int(row["rounds"]), float(row["seconds"])

    # The Flower run that is coordinator

    def take_lead(self, flower_run: str) -> None:
        """Makes a Flower run the one coordinator; an earlier one sees it and leaves."""
        with self._open() as db:
            insert(db, "coordinator", "replace", one=1, flower_run=flower_run, beat_at=time.time())

    def beat(self, flower_run: str) -> bool:
        """Whether that run still leads; if so, notes that it lives."""
        with self._open() as db:
            changed = db.execute(
                "UPDATE coordinator SET beat_at = ? WHERE flower_run = ?", (time.time(), flower_run)
            )
            return changed.rowcount == 1

    def resign(self, flower_run: str | None = None) -> None:
        """Notes that a run (or whichever) leads no longer."""
        with self._open() as db:
            db.execute("DELETE FROM coordinator WHERE flower_run = coalesce(?, flower_run)", (flower_run,))

    def leader(self) -> tuple[str, float] | None:
        """The Flower run that leads, and how many seconds ago it last gave a sign of life."""
        with self._open() as db:
            row = db.execute("SELECT flower_run, beat_at FROM coordinator").fetchone()
        return (row["flower_run"], time.time() - row["beat_at"]) if row else None

    def memory(self, run: str) -> RoundMemory:
        """The joined answers of a run's rounds, as `conduct` needs them."""
        return RoundMemory(self._open, run)
