"""Four real hospitals over real processes: every step a command as people type it, R's numbers at the end."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from server.coordination.replay import recompute
from server.home.store import Store
from tests.lib.lgg import HOSPITALS, ONE_SET
from tests.lib.lgg_play import MODELS, Play
from tests.lib.processes import living
from tests.lib.shared import shared

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Play, str]]:
    shared("data/tcga_lgg")
    play = Play(tmp_path_factory.mktemp("lgg"))
    try:
        play.found()
        yield play, play.answer()
    finally:
        play.stop()
        assert living(play.folder) == []


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(shared("reference/tcga_lgg.json").read_text())
    return content | ONE_SET


def test_the_models_equal_r(played: tuple[Play, str], reference: dict[str, Any]) -> None:
    play, run = played
    _, outcome = recompute(play.folder / "center", run)
    for name in MODELS:
        found, expected = outcome[name], reference[name]
        assert list(found.terms) == expected["term"]
        assert found.n == expected["n"]
        np.testing.assert_allclose(found.coef, expected["coef"], rtol=1e-8)
        np.testing.assert_allclose(found.se, expected["se"], rtol=1e-8)


def test_the_counts_and_the_age_equal_r(played: tuple[Play, str], reference: dict[str, Any]) -> None:
    play, run = played
    _, outcome = recompute(play.folder / "center", run)
    counts, age = outcome["counts"], outcome["age"].total
    assert {site: one.people.item() for site, one in counts.by_site.items()} == reference["people"]
    assert age.n.item() == reference["age"]["n"]
    np.testing.assert_allclose(
        [age.mean.item(), age.sd.item()], [reference["age"][k] for k in ("mean", "sd")]
    )


def test_each_hospital_finds_what_left_in_its_own_audit(played: tuple[Play, str]) -> None:
    play, run = played
    sent = {(a["site"], a["round"]): a["sha256"] for a in Store(play.folder / "center").answers(run)}
    for name in HOSPITALS:
        home = ("--home", f"sites/{name}")
        own = {a["round"]: a["sha256"] for a in play.command("audit", "releases", *home)["answers"]}
        assert own == {number: digest for (site, number), digest in sent.items() if site == name}
        assert play.command("audit", "verify", *home)["lines"] > 0


def test_a_report_is_written(played: tuple[Play, str]) -> None:
    play, run = played
    play.command("study", "report", run, "--home", "center", "--out", "report")
    assert "VASARI" in (play.folder / "report" / "report.html").read_text()
