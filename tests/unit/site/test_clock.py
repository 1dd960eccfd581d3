"""What has expired at a site stays expired, and what is decided by a wrong clock does not hold too long."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from site_node.actions import site as actions
from site_node.governance import approvals, clock
from site_node.governance.approvals import State
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study

TODAY = datetime.now(UTC)


SetClock = Callable[[datetime], None]


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> SetClock:
    def set_to(at: datetime) -> None:
        for module in (clock, approvals):
            monkeypatch.setattr(module, "now", lambda: at)

    return set_to


def test_what_expired_stays_expired_when_the_clock_is_set_back(tmp_path: Path, set_clock: SetClock) -> None:
    AttackedSite(tmp_path).approve(a_study(), days=10)
    for days, state in ((0, State.APPROVED), (11, State.EXPIRED), (0, State.EXPIRED)):
        set_clock(TODAY + timedelta(days=days))
        assert approvals.approval(tmp_path, a_study()).state is state


def test_nothing_is_decided_under_a_clock_that_was_set_back(tmp_path: Path, set_clock) -> None:  # type: ignore[no-untyped-def]
    site = AttackedSite(tmp_path)
    set_clock(TODAY + timedelta(days=400))  # a wrong clock, in whose time somebody approved
    site.approve(a_study(), days=10)
    assert approvals.approval(tmp_path, a_study()).state is State.APPROVED
    set_clock(TODAY)
    with pytest.raises(InputError) as caught:
        approvals.decide(tmp_path, a_study(), State.APPROVED, by="test")
    assert caught.value.code == Code.CLOCK_SET_BACK
    assert actions.accept_clock(tmp_path).approvals_taken_back == 1
    assert approvals.approval(tmp_path, a_study()).state is State.REVOKED
    approvals.decide(tmp_path, a_study(), State.APPROVED, by="test")
    assert approvals.approval(tmp_path, a_study()).state is State.APPROVED


def test_a_clock_that_a_time_server_moves_is_no_matter(tmp_path: Path, set_clock: SetClock) -> None:
    site = AttackedSite(tmp_path)
    set_clock(TODAY + timedelta(hours=3))
    site.propose(a_study())
    set_clock(TODAY)
    site.approve(a_study())
    assert approvals.approval(tmp_path, a_study()).state is State.APPROVED
