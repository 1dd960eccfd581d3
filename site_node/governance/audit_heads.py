"""Heads of audits, exchanged with every answer: each site and the center keep those of all the others.

The head is the MAC of an audit's last line. Who makes an audit again, with its key or from an old
copy, cannot take back the heads that others keep: one that is not in the chain shows it. A head says no more.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from protocols.exchange.wire import RoundAnswer, RoundQuestion
from protocols.runtime.database import insert
from site_node.governance import audit
from site_node.home.register import now, register

_HEAD = re.compile("[0-9a-f]{64}")


def told(home: Path, question: RoundQuestion, site: str) -> dict[str, str]:
    """Site -> head, as an answer bears it: this audit's, and the latest that is kept of each other site.

    The own one is chosen once per round, so that an answer that is computed again has the same bytes.
    """
    study, run, number, head = question.study, question.run, question.round, audit.head(home)
    with register(home) as db:
        insert(db, "told_head", "ignore", study=study, run=run, round=number, head=head)
        own = db.execute(
            "SELECT head FROM told_head WHERE study = ? AND run = ? AND round = ?", (study, run, number)
        ).fetchone()
        kept = db.execute("SELECT site, head FROM kept_head ORDER BY rowid").fetchall()
    others = {row["site"]: row["head"] for row in kept if row["site"] in question.roster}
    return others | {site: own["head"]}


def keep(home: Path, site: str, answers: Mapping[str, RoundAnswer]) -> None:
    """Keeps the heads in the other sites' answers; one of this site that it never told is audited."""
    heads = {name: answer.audit for name, answer in answers.items() if name != site}
    unknown = []
    with register(home) as db:
        for name, told_here in heads.items():
            place = {"study": answers[name].study, "run": answers[name].run}
            if _HEAD.fullmatch(own := told_here.get(name, "")):
                insert(db, "kept_head", "replace", site=name, **place, head=own)
            of_us = told_here.get(site, "")
            if (
                not _HEAD.fullmatch(of_us)
                or db.execute("SELECT 1 FROM told_head WHERE head = ?", (of_us,)).fetchone()
            ):
                continue
            if insert(db, "unknown_head", "ignore", site=name, head=of_us, noticed_at=now().isoformat()):
                unknown.append(name)
    for name in unknown:
        audit.record(home, "head-unknown", kept_by=name)


def own(home: Path) -> set[str]:
    """Every head that this site told."""
    with register(home) as db:
        return {row["head"] for row in db.execute("SELECT head FROM told_head")}


def kept(home: Path) -> dict[str, list[str]]:
    """Site -> the heads of its audit that are kept here, the latest of each run."""
    with register(home) as db:
        rows = db.execute("SELECT site, head FROM kept_head ORDER BY rowid").fetchall()
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["site"], []).append(row["head"])
    return found


def unknown(home: Path) -> dict[str, str]:
    """Head -> the site that keeps it of this one, which never told it."""
    with register(home) as db:
        return {row["head"]: row["site"] for row in db.execute("SELECT head, site FROM unknown_head")}
