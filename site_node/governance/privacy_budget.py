"""What each person of this site has spent of differential privacy, over all studies, in the site's register.

Noise hides a person in one study; many studies average it away. So each noisy answer is kept with who was in
it and what it spends, as Rényi divergences, which add up; a study with which any person would spend more than
the policy's `privacy_epsilon` is not answered. The same question about the same people and values has the
same noise and spends nothing anew.

Reference: Mironov, CSF 2017, for sums of divergences; Rogers, Roth, Ullman & Vadhan, NeurIPS 2016.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from sqlite3 import Connection

import numpy as np

from protocols.core import accountant
from protocols.core.errors import Code, SiteError
from protocols.core.protocol import Ask
from protocols.core.spec import Spec
from protocols.core.table import AnalysisTable, Floats, Integers
from protocols.exchange.envelope import digest, pack
from protocols.runtime.database import insert
from site_node.governance.policy import Policy
from site_node.home.register import now, register


@dataclass(frozen=True)
class Spent:
    """What one study's noisy answers have spent: of how many people, and epsilon at the policy's delta."""

    study: str
    analysis: str
    people: int
    epsilon: float
    last_at: datetime


def spend(
    home: Path,
    study: str,
    spec: Spec,
    ask: Ask,
    table: AnalysisTable,
    plan: tuple[Floats, int],
    number: int,
    policy: Policy,
) -> None:
    """Notes what a noisy question spends of the people in a table, unless it was answered before.

    Args:
        table: of the people and rows that it is about.
        plan: what a round spends by `accountant.ORDERS`, and how many rounds the analysis has.
        number: of this round; the first one stands for all that follow.

    Raises:
        SiteError: budget-spent; with all rounds of it somebody would spend more than the policy allows.
    """
    curve, rounds = plan
    place = _place(spec, ask, table)
    people = np.sort(table.persons).astype("<i8")
    with register(home) as db:
        if db.execute("SELECT 1 FROM privacy_spent WHERE place = ?", (place,)).fetchone():
            return
        coming = curve * (rounds - number)
        if len(people) and _epsilon(_spent_of(db, people) + coming, policy) > policy.privacy_epsilon:
            raise SiteError(Code.BUDGET_SPENT, "somebody's privacy budget would be spent")
        insert(
            db,
            "privacy_spent",
            place=place,
            study=study,
            analysis=ask.analysis,
            people=people.tobytes(),
            curve=curve.astype("<f8").tobytes(),
            spent_at=now().isoformat(),
        )


def spent(home: Path, policy: Policy) -> list[Spent]:
    """What each analysis has spent, the oldest first."""
    with register(home) as db:
        rows = db.execute("SELECT * FROM privacy_spent ORDER BY spent_at").fetchall()
    by_analysis: dict[tuple[str, str], list[tuple[int, Floats, datetime]]] = {}
    for row in rows:
        found = len(row["people"]) // 8, _curve(row["curve"]), datetime.fromisoformat(row["spent_at"])
        by_analysis.setdefault((row["study"], row["analysis"]), []).append(found)
    return [
        Spent(
            study,
            analysis,
            max(people for people, _, _ in found),
            _epsilon(np.sum([curve for _, curve, _ in found], axis=0)[None], policy),
            max(at for _, _, at in found),
        )
        for (study, analysis), found in by_analysis.items()
    ]


def largest(home: Path, policy: Policy) -> float:
    """The epsilon of the person who has spent most, at the policy's delta; 0 where nobody has."""
    with register(home) as db:
        rows = db.execute("SELECT people FROM privacy_spent").fetchall()
        everybody = np.unique(np.concatenate([np.zeros(0, "<i8"), *(_people(row["people"]) for row in rows)]))
        return _epsilon(_spent_of(db, everybody), policy) if len(everybody) else 0.0


def _place(spec: Spec, ask: Ask, table: AnalysisTable) -> str:
    """What is asked of whom: the noise is that of this, whatever the study is called."""
    order = np.argsort(table.persons)
    names = [name for name in table.read_of(spec.variables()) if name in table.columns]
    values = {name: table.columns[name][order] for name in names}
    asked = {"spec": spec.model_dump(mode="json"), "step": ask.step, "arrays": dict(ask.arrays)}
    return digest(pack({**asked, "people": table.persons[order], "values": values}))


def _spent_of(db: Connection, people: Integers) -> Floats:
    """(n, orders) what each of (n,) sorted people has spent."""
    total = np.zeros((len(people), len(accountant.ORDERS)))
    for row in db.execute("SELECT people, curve FROM privacy_spent"):
        total[np.isin(people, _people(row["people"]), assume_unique=True)] += _curve(row["curve"])
    return total


def _epsilon(curves: Floats, policy: Policy) -> float:
    """The largest epsilon of (n, orders) divergences."""
    return max(accountant.epsilon(curve, policy.privacy_delta) for curve in np.unique(curves, axis=0))


def _people(data: bytes) -> Integers:
    return np.frombuffer(data, dtype="<i8")


def _curve(data: bytes) -> Floats:
    return np.frombuffer(data, dtype="<f8")
