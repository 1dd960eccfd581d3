"""RT33: messages that are malformed, or ask too much at once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocols.core.errors import Code
from protocols.core.protocol import Ask, Transform
from protocols.core.table import EVERYBODY
from protocols.exchange.envelope import pack, seal, unpack, unseal
from protocols.exchange.proposal import Proposal
from tests.lib.attacked_site import AttackedSite
from tests.lib.sites import a_round
from tests.lib.studies import a_study, a_study_of

FIRST = Ask("counts", analysis="ages")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"SGW1",
        b"SGW1\xff\xff\xff\xff",
        pack({}),
        pack([1, 2]),
        b"SGW1\x02\x00\x00\x00{}x",
        b"SGW1" + b"[" * 9999,
    ],
    ids=["empty", "magic", "length", "no fields", "a list", "a tail", "nested"],
)
@pytest.mark.parametrize("kind", ["propose", "round"])
def test_bytes_that_are_no_message_are_refused_with_a_code(tmp_path: Path, kind: str, body: bytes) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    context = {"propose": "proposal", "round": "question"}[kind]
    reply = site.agent.handle(kind, seal(body, site.center.key, context))
    assert b"malformed-message" in reply
    assert not isinstance(site.ask(study, FIRST), Code)


def test_a_round_that_is_negative_or_far_is_refused(tmp_path: Path) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    for number in (-1, 1, 10**30):
        assert site.send(replace(a_round(study, FIRST), round=number)) in (
            Code.ALREADY_ANSWERED,
            Code.BUDGET_SPENT,
        )


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_harmonization_by_what_is_no_number_is_refused(tmp_path: Path, number: float) -> None:
    """RT08: 0 x inf is missing and 1 x inf is not, so it would choose people by a value."""
    site = AttackedSite(tmp_path, obedient=True)
    study = a_study_of(
        ["x", "y"],
        {"name": "same", "spec": {"protocol": "combat", "features": ["x", "y"]}},
        {"name": "mean", "after": ["same"], "spec": {"protocol": "summary", "of": ["x"]}},
    )
    site.approve(study)
    arrays = {"grand_mean": np.zeros(2), "effects": np.zeros((0, 2)), "variance": np.array([1.0, number])}
    ask = Ask("counts", analysis="mean", transforms=(Transform("same", (), EVERYBODY, arrays),))
    assert site.ask(study, ask) == (Code.INVALID_STUDY,)


@pytest.mark.parametrize(
    "study",
    [b"[" * 100_000, b"- " * 100_000, b"[]" * 2_500_001, b'{"name": &a [*a]}'],
    ids=["deep", "YAML", "large", "an alias"],
)
def test_a_study_that_is_no_small_json_is_refused_before_it_is_read(tmp_path: Path, study: bytes) -> None:
    """YAML's reader took 37 s and 761 MB for two megabytes of brackets, at every round."""
    site = AttackedSite(tmp_path)
    proposal = Proposal(seal(study, site.center.key, "study"), site.center.sites).encode()
    sealed = site.agent.handle("propose", seal(proposal, site.center.key, "proposal"))
    said = unpack(unseal(sealed, site.key.public_key(), "status"))
    assert said["code"] in (Code.INVALID_STUDY, Code.MALFORMED_MESSAGE)
