"""RT35: the agent is killed, or the disk is full, at each single write from a proposal to an answer.

A write is a transaction of the register or a line of the audit; the fault comes right before or right after.
Afterwards the site starts again: it gives one answer, the same at each repeat, and its audit is whole.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import pytest

from protocols.core.protocol import Ask
from protocols.exchange.envelope import digest
from protocols.exchange.wire import RoundReply
from protocols.runtime import audit_chain
from site_node.governance import approvals, audit, audit_check, ledger
from site_node.home import register
from tests.lib.attacked_site import AttackedSite
from tests.lib.sites import a_round
from tests.lib.studies import a_study

STUDY = a_study()
FIRST = Ask("counts", analysis="ages")
EACH = 7
"""Of which in every so many the quick tests try one."""


class KilledError(BaseException):
    """The process is gone at this point."""


class Writes:
    """Counts the moments before and after each write, and raises at one of them."""

    def __init__(self, at: int | None, fault: Callable[[], BaseException]) -> None:
        self.count, self._at, self._fault = 0, at, fault

    def moment(self) -> None:
        """Raises if this is the one."""
        self.count += 1
        if self.count == self._at:
            raise self._fault()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Counts meanwhile."""
        transaction, write = register.transaction, audit_chain._write

        @contextmanager
        def watched_transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
            with transaction(db) as inside:
                yield inside
                self.moment()
            self.moment()

        def watched_write(*given: object) -> str:
            self.moment()
            head: str = write(*given)  # type: ignore[arg-type]
            self.moment()
            return head

        with (
            patch.object(register, "transaction", watched_transaction),
            patch.object(audit_chain, "_write", watched_write),
        ):
            yield


def answered(site: AttackedSite) -> bytes:
    """The sealed reply of a site to the first round of a study that is proposed and approved."""
    site.propose(STUDY)
    approvals.decide(site.home, STUDY, approvals.State.APPROVED, by="test")
    return site.center.reply(a_round(STUDY, FIRST))


def moments() -> int:
    """How many moments there are."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        writes = Writes(None, KilledError)
        with writes.watched():
            answered(AttackedSite(Path(folder) / "a"))
    return writes.count


MOMENTS = moments()


def at_each() -> list[object]:
    """The moments; most of them are for the slow tests."""
    slow = pytest.mark.slow
    return [pytest.param(at, marks=() if at % EACH == 0 else slow) for at in range(1, MOMENTS + 1)]


def check(site: AttackedSite) -> None:
    """A site that starts again answers once, and its audit is whole."""
    site.restart()
    reply = answered(site)
    assert RoundReply.decode(reply).open(site.key.public_key()).site == "a"
    assert answered(site) == reply
    (left,) = ledger.released(site.home)
    assert left.sha256 == digest(reply)
    said = {line["sha256"] for line in audit.lines(site.home) if line["event"] == "answered"}
    assert said == {left.sha256}
    assert audit_check.verify(site.home) == len(list(audit.lines(site.home)))


@pytest.mark.parametrize("at", at_each())
def test_a_site_killed_at_a_write_answers_once_and_its_audit_is_whole(tmp_path: Path, at: int) -> None:
    site = AttackedSite(tmp_path)
    with Writes(at, KilledError).watched(), pytest.raises(KilledError):
        answered(site)
    check(site)


@pytest.mark.parametrize("at", at_each())
def test_a_site_whose_disk_is_full_at_a_write_goes_on_when_there_is_room(tmp_path: Path, at: int) -> None:
    site = AttackedSite(tmp_path)
    full = lambda: sqlite3.OperationalError("database or disk is full")  # noqa: E731
    with Writes(at, full).watched(), suppress(sqlite3.OperationalError):  # of the person who decides
        answered(site)
    check(site)
