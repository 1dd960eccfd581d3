"""The studies that asked this site: how each stands, who let it pass, and how often it was answered."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from protocols.core.study import parse_study
from site_node.governance.approvals import State, approval_in
from site_node.home.register import register


@dataclass(frozen=True)
class ProposedStudy:
    """One study in the inbox.

    Attributes:
        passed: whether it was answered under standing approvals, and no person decided about it.
        answers: rounds that this site has answered.
    """

    name: str
    title: str
    state: State
    received_at: datetime
    hash: str
    passed: bool = False
    answers: int = 0

    @property
    def waits(self) -> bool:
        """Whether a person has to decide about it."""
        return self.state is State.PENDING and not self.passed


def inbox(home: Path) -> list[ProposedStudy]:
    """Every proposed study with its state, the newest first."""
    with register(home) as db:
        decided = {row["hash"] for row in db.execute("SELECT hash FROM approval")}
        passed = {row["study"] for row in db.execute("SELECT study FROM run WHERE standing")} - decided
        counted = db.execute("SELECT study, count(*) AS n FROM answer GROUP BY study").fetchall()
        answers = {row["study"]: int(row["n"]) for row in counted}
        rows = db.execute("SELECT * FROM study ORDER BY received_at DESC").fetchall()
        return [
            ProposedStudy(
                study.name,
                study.title,
                approval_in(db, row["hash"], study).state,
                datetime.fromisoformat(row["received_at"]),
                row["hash"],
                row["hash"] in passed,
                answers.get(row["hash"], 0),
            )
            for row in rows
            for study in [parse_study(row["canonical"])]
        ]
