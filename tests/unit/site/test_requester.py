"""Who asks: in the signed content, first in the inbox, and a rule of the site's policy."""

from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError, SiteError
from protocols.core.study import parse_study
from server.administration.enrolment import make_center
from server.coordination.submission import submit
from site_node.actions import inbox, policy
from site_node.cli.words import inbox as words
from site_node.governance.policy import Policy, changed, read_policy
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import REQUESTER, a_study

NAMELESS = a_study(requester=None)


def test_who_asks_is_signed_and_a_study_that_never_said_keeps_its_hash() -> None:
    other = a_study(requester={**REQUESTER, "institution": "Another University"})
    assert len({NAMELESS.hash(), a_study().hash(), other.hash()}) == 3
    assert b"requester" not in NAMELESS.canonical()
    assert parse_study(a_study().canonical()).requester == a_study().requester


@pytest.mark.parametrize("missing", ["name", "institution", "ethics"])
def test_half_a_requester_is_none(missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        a_study(requester={**REQUESTER, missing: ""})


def test_an_approver_reads_first_who_asks(tmp_path: Path) -> None:
    AttackedSite(tmp_path).propose(a_study())
    said = words.study(inbox.shown(tmp_path, a_study().name))
    assert list(said)[:2] == ["title", "who asks"]
    assert said["who asks"] == "Dr. Ingrid Dahl, Test University; ethics: Regional committee, 2026/17"


def test_a_site_answers_nobody_who_does_not_say_who_asks(tmp_path: Path) -> None:
    AttackedSite(tmp_path).propose(NAMELESS)
    (fault,) = inbox.shown(tmp_path, NAMELESS.name).faults
    assert "who asks" in fault
    with pytest.raises(SiteError) as refused:
        inbox.approve(tmp_path, NAMELESS.name, by="test")
    assert refused.value.code == Code.REFUSED_BY_POLICY
    assert Policy(requester_needed=False).faults(NAMELESS) == []


def test_a_center_submits_no_such_study(tmp_path: Path) -> None:
    make_center(tmp_path, "Glioma", port=0)
    with pytest.raises(InputError) as refused:
        submit(tmp_path, NAMELESS)
    assert refused.value.code == Code.INVALID_STUDY


def test_a_protocol_may_be_admitted_for_some_institutions_alone(tmp_path: Path) -> None:
    AttackedSite(tmp_path)
    policy.set_rule(tmp_path, "institutions.summary", "Oslo University Hospital, Haukeland")
    kept = read_policy(tmp_path)
    assert kept.institutions == {"summary": ("Oslo University Hospital", "Haukeland")}
    (fault,) = kept.faults(a_study())
    assert "other institutions" in fault
    assert kept.faults(a_study(requester={**REQUESTER, "institution": "Haukeland"})) == []
    assert changed(tmp_path, "institutions.summary", "off").faults(a_study()) == []
