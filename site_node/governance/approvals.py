"""What this site was asked to take part in, and what it decided; no other record counts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from sqlite3 import Connection, Row

from protocols.core.errors import Code, InputError, SiteError
from protocols.core.privacy import MayBePrivate
from protocols.core.protocol import Spec, specs_in
from protocols.core.study import Study, parse_study
from protocols.runtime.accounts.machine import unix_user
from protocols.runtime.database import insert
from site_node.governance import audit, clock
from site_node.home.register import now, register


class State(StrEnum):
    """How a study stands at this site."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    REVOKED = "revoked"
    EXPIRED = "expired"


REFUSAL = {
    State.PENDING: Code.APPROVAL_PENDING,
    State.REFUSED: Code.NOT_APPROVED,
    State.REVOKED: Code.APPROVAL_REVOKED,
    State.EXPIRED: Code.APPROVAL_EXPIRED,
}


@dataclass(frozen=True)
class Approval:
    """How a study stands at this site at one moment.

    Attributes:
        decided_at: when this one study was decided; empty where no person decided about it.
        max_runs: how many runs of it this site answers.
        standing: whether it passes by standing approvals alone.
    """

    state: State
    decided_at: str = ""
    max_runs: int = 1
    standing: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a person decided about a study; `expires_at` counts where it was approved."""

    state: State
    by: str
    decided_at: datetime
    expires_at: datetime
    max_runs: int
    note: str


@dataclass(frozen=True)
class StandingApproval:
    """What lets studies of one protocol pass without a look; `studies_so_far` counts those of all of them.

    With `max_epsilon` only analyses pass that ask for noise, of an epsilon up to that.
    """

    protocol: str
    studies_so_far: int
    max_studies: int
    max_variables: int
    expires_at: datetime
    by: str
    unix_user: str
    max_epsilon: float | None = None


def receive(home: Path, canonical: bytes) -> Study:
    """The study of these canonical bytes, now in the inbox; a study that is there already stays as it is.

    Raises:
        InputError: the bytes are not a valid study, or not in canonical form.
    """
    study = parse_study(canonical)
    if study.canonical() != canonical:
        raise InputError(Code.INVALID_STUDY, "the study is not in its canonical form")
    with register(home) as db:
        received = now().isoformat()
        is_new = insert(db, "study", "ignore", hash=study.hash(), canonical=canonical, received_at=received)
    if is_new:
        audit.record(home, "study-received", study=study.hash(), name=study.name)
    return study


def proposed(home: Path, study: str) -> tuple[Study, Approval]:
    """The study in the inbox with exactly this hash, and how it stands here; runs are counted by that hash.

    Raises:
        SiteError: it was never proposed here.
    """
    with register(home) as db:
        row = db.execute("SELECT canonical FROM study WHERE hash = ?", (study,)).fetchone()
        if row is None:
            raise SiteError(Code.NOT_APPROVED, "a study that was never proposed here")
        found = parse_study(row["canonical"])
        return found, approval_in(db, study, found)


def find(home: Path, reference: str) -> Study:
    """The study in the inbox whose hash begins so, or whose name it is.

    Raises:
        InputError: there is none, or more than one.
    """
    with register(home) as db:
        rows = [row["canonical"] for row in db.execute("SELECT canonical FROM study")]
    studies = [parse_study(row) for row in rows]
    found = [s for s in studies if s.hash().startswith(reference) or s.name == reference]
    if len(found) != 1:
        how_many = "no study" if not found else "more than one study"
        raise InputError(
            Code.NOT_FOUND, f"{how_many} in the inbox is {reference!r}", "shadowgraph inbox list"
        )
    return found[0]


def decide(
    home: Path, study: Study, decision: State, *, by: str, days: int = 90, max_runs: int = 3, note: str = ""
) -> None:
    """Writes the site's decision about one study; a later decision replaces an earlier one.

    Beside the name of who decided stands the Unix user, whom nobody types in.
    """
    with register(home) as db:
        decided = _decided(db, by, days)
        insert(
            db,
            "approval",
            "replace",
            hash=study.hash(),
            decision=str(decision),
            max_runs=max_runs,
            note=note,
            **decided,
        )
        db.execute("DELETE FROM first_approval WHERE hash = ?", (study.hash(),))
    audit.record(
        home,
        f"study-{decision}",
        study=study.hash(),
        by=by,
        unix_user=decided["unix_user"],
        **({"days": days, "max_runs": max_runs} if decision is State.APPROVED else {}),
        **({"note": note} if note else {}),
    )


def is_second(home: Path, study: Study, *, by: str, days: int, max_runs: int, note: str = "") -> bool:
    """Whether another person approved the study before; if nobody did, it is kept that this one has.

    What the first decided counts as long as the approval would have.
    """
    with register(home) as db:
        decided = _decided(db, by, days)
        first = db.execute("SELECT * FROM first_approval WHERE hash = ?", (study.hash(),)).fetchone()
        if first and first["decided_by"] != by and first["expires_at"] >= decided["decided_at"]:
            return True
        terms: dict[str, str | int] = {"days": days, "max_runs": max_runs, "note": note, **decided}
        insert(db, "first_approval", "replace", hash=study.hash(), **terms)
    audit.record(
        home,
        "study-approved-by-one-of-two",
        study=study.hash(),
        by=by,
        unix_user=decided["unix_user"],
        days=days,
        max_runs=max_runs,
    )
    return False


def verdicts(home: Path, study_hash: str) -> tuple[Verdict | None, Verdict | None]:
    """What was decided about a study, and what the first of two persons decided; None where nobody did."""
    with register(home) as db:
        decided = db.execute("SELECT * FROM approval WHERE hash = ?", (study_hash,)).fetchone()
        first = db.execute(
            "SELECT *, 'approved' AS decision FROM first_approval WHERE hash = ?", (study_hash,)
        ).fetchone()
    return _verdict(decided), _verdict(first)


def _verdict(row: Row | None) -> Verdict | None:
    if row is None:
        return None
    return Verdict(
        State(row["decision"]),
        row["decided_by"],
        datetime.fromisoformat(row["decided_at"]),
        datetime.fromisoformat(row["expires_at"]),
        row["max_runs"],
        row["note"],
    )


def runs(home: Path, study_hash: str) -> int:
    """How many runs of a study began here."""
    with register(home) as db:
        found = db.execute("SELECT count(*) AS n FROM run WHERE study = ?", (study_hash,)).fetchone()
    return int(found["n"])


def earlier_version(home: Path, study: Study) -> tuple[Study, datetime] | None:
    """The study of the same name that was received last before this one; None where there is none."""
    with register(home) as db:
        rows = db.execute("SELECT hash, canonical, received_at FROM study ORDER BY received_at").fetchall()
    before: tuple[Study, datetime] | None = None
    for row in rows:
        if row["hash"] == study.hash():
            return before
        found = parse_study(row["canonical"])
        if found.name == study.name:
            before = found, datetime.fromisoformat(row["received_at"])
    return before


def approve_standing(
    home: Path,
    protocol: str,
    *,
    by: str,
    max_studies: int,
    max_variables: int,
    days: int,
    max_epsilon: float | None = None,
) -> None:
    """Lets studies that use this one protocol alone pass without a look, up to a number and a date.

    With `max_epsilon` only those whose analyses ask for noise, of an epsilon up to that.
    """
    limits = {"max_studies": max_studies, "max_variables": max_variables, "max_epsilon": max_epsilon}
    with register(home) as db:
        decided = _decided(db, by, days)
        insert(db, "standing_approval", "replace", protocol=protocol, **limits, **decided)
    audit.record(
        home,
        "standing-approval",
        protocol=protocol,
        by=by,
        unix_user=decided["unix_user"],
        days=days,
        max_studies=max_studies,
    )


def _decided(db: Connection, by: str, days: int) -> dict[str, str]:
    """Who decides, now, and until when it holds: columns of both kinds of approval.

    Raises:
        InputError: clock-set-back.
    """
    clock.refuse_set_back(db)
    at = now()
    return {
        "decided_by": by,
        "unix_user": unix_user(),
        "decided_at": at.isoformat(),
        "expires_at": (at + timedelta(days=days)).isoformat(),
    }


def withdraw_standing(home: Path, protocol: str, *, by: str) -> None:
    """Takes a standing approval back: from now on a person looks at each study of that protocol.

    Raises:
        InputError: there is none.
    """
    with register(home) as db:
        ended = db.execute("DELETE FROM standing_approval WHERE protocol = ?", (protocol,)).rowcount
    if not ended:
        raise InputError(
            Code.NOT_FOUND, f"no standing approval is for {protocol!r}", "shadowgraph inbox standing"
        )
    audit.record(home, "standing-approval-revoked", protocol=protocol, by=by, unix_user=unix_user())


def withdraw_all(home: Path) -> int:
    """How many approvals, standing ones among them, were taken back at once."""
    with register(home) as db:
        revoked = db.execute("UPDATE approval SET decision = 'revoked' WHERE decision = 'approved'").rowcount
        return revoked + db.execute("DELETE FROM standing_approval").rowcount


def standing(home: Path) -> list[StandingApproval]:
    """The standing approvals with how many studies have passed by each since it was given."""
    with register(home) as db:
        rows = db.execute("SELECT * FROM standing_approval ORDER BY protocol").fetchall()
        used = {row["protocol"]: _passed(db, row) for row in rows}
    return [
        StandingApproval(
            protocol=row["protocol"],
            studies_so_far=used[row["protocol"]],
            max_studies=row["max_studies"],
            max_variables=row["max_variables"],
            expires_at=datetime.fromisoformat(row["expires_at"]),
            by=row["decided_by"],
            unix_user=row["unix_user"],
            max_epsilon=row["max_epsilon"],
        )
        for row in rows
    ]


def approval(home: Path, study: Study) -> Approval:
    """How the study stands here now."""
    with register(home) as db:
        return approval_in(db, study.hash(), study)


def approval_in(db: Connection, study_hash: str, study: Study) -> Approval:
    """How the study stands by an open register."""
    row = db.execute("SELECT * FROM approval WHERE hash = ?", (study_hash,)).fetchone()
    if row is None:
        passes = _passes_by_standing_approvals(db, study_hash, study)
        return Approval(State.APPROVED if passes else State.PENDING, standing=passes)
    state = State(row["decision"])
    if state is State.APPROVED and datetime.fromisoformat(row["expires_at"]) < clock.latest(db):
        state = State.EXPIRED
    return Approval(state, str(row["decided_at"]), int(row["max_runs"]))


def _passes_by_standing_approvals(db: Connection, study_hash: str, study: Study) -> bool:
    """Whether standing approvals cover every protocol in a study that has no decision yet."""
    rows = {row["protocol"]: row for row in db.execute("SELECT * FROM standing_approval")}
    at = clock.latest(db)
    specs = [spec for analysis in study.analyses for spec in specs_in(analysis.spec)]
    if any(not _is_noisy_enough(spec, rows.get(spec.protocol)) for spec in specs):
        return False
    used = {spec.protocol for spec in specs}
    return all(
        name in rows
        and datetime.fromisoformat(rows[name]["expires_at"]) >= at
        and _passed(db, rows[name], but=study_hash) < rows[name]["max_studies"]
        and study.width() <= rows[name]["max_variables"]
        for name in used
    )


def _passed(db: Connection, given: Row, *, but: str = "") -> int:
    """How many studies with the protocol have passed without a look since its approval was given."""
    # These bytes stand in canonical JSON where a spec names its protocol, and in no text: it escapes quotes.
    word = f'"protocol":"{given["protocol"]}"'.encode()
    found = db.execute(
        "SELECT count(DISTINCT run.study) AS n FROM run JOIN study ON study.hash = run.study "
        "WHERE standing AND started_at >= ? AND run.study <> ? AND instr(canonical, ?) > 0",
        (given["decided_at"], but, word),
    )
    return int(found.fetchone()["n"])


def _is_noisy_enough(spec: Spec, row: Row | None) -> bool:
    """Whether an analysis asks for as much noise as a standing approval demands, where it demands any."""
    if row is None or row["max_epsilon"] is None:
        return True
    return (
        isinstance(spec, MayBePrivate)
        and spec.privacy is not None
        and spec.privacy.epsilon <= float(row["max_epsilon"])
    )
