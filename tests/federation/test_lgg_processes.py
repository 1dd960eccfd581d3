"""Four real hospitals over real processes: every step a command as people type it, R's numbers at the end."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.coordination.replay import recompute
from server.demo.commands import Commands
from server.home.store import Store
from tests.lib.lgg import HOSPITALS, ONE_SET, write_consortium
from tests.lib.processes import living
from tests.lib.shared import shared

pytestmark = pytest.mark.slow

STUDY = Path(__file__).parents[2] / "docs" / "examples" / "lgg.yaml"
MODELS = ("cox_os_strata", "cox_os_strata_breslow", "logit_idh1")
PATIENCE_SECONDS = 120.0


class Play:
    """A center and four hospitals in one folder, moved by commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command = Commands(folder)

    def found(self) -> None:
        """Makes and starts the center and the hospitals, each with its own files loaded."""
        write_consortium(self.folder / "files")
        self.command("network", "init", "--name", "LGG", "--home", "center", "--port", "0")
        for name in HOSPITALS:
            home, files = ("--home", f"sites/{name}"), f"files/{name}"
            self.command("site", "init", "--name", name, "--port", "0", *home)
            self.command("network", "invite", name, "--home", "center", "--out", f"{name}.invitation")
            self.command("site", "join", f"{name}.invitation", "--out", f"{name}.enrolment", *home)
            self.command("network", "enrol", f"{name}.enrolment", "--home", "center")
            self.command("policy", "set", "digits", "full", *home)  # the results are compared with R's
            self.command("policy", "set", "cells", "exact", *home)
            self.command("data", "add", "fhir", f"{files}/fhir", *home)
            self.command("data", "add", "image-features", f"{files}/imaging/vasari.csv", *home)
        self.confirm()
        self.command("network", "start", "--home", "center")
        for name in HOSPITALS:
            self.command("site", "start", "--home", f"sites/{name}")

    def confirm(self) -> None:
        """Makes members of all hospitals."""
        self.command("network", "members", "--home", "center", "--out", "members.json")
        known = {
            name: self.command("site", "peers", "list", "--home", f"sites/{name}")["fingerprint"]
            for name in HOSPITALS
        }
        for name in HOSPITALS:
            others = [f"{site}={fingerprint}" for site, fingerprint in known.items() if site != name]
            home = ("--home", f"sites/{name}", "--list", "members.json", "--out", f"{name}.statements")
            self.command("site", "peers", "confirm", *others, *home)
        self.command("network", "confirm", *(f"{name}.statements" for name in HOSPITALS), "--home", "center")

    def answer(self) -> str:
        """The run of the study, which every hospital approved."""
        shutil.copy(STUDY, self.folder / "lgg.yaml")
        run = str(self.command("study", "submit", "lgg.yaml", "--home", "center")["run"])
        deadline = time.monotonic() + PATIENCE_SECONDS
        for name in HOSPITALS:
            while not self.command("inbox", "list", "--home", f"sites/{name}")["studies"]:
                assert time.monotonic() < deadline
            self.command("inbox", "approve", "lgg", "--home", f"sites/{name}")
        assert self.command("study", "watch", run, "--home", "center")["state"] == "done"
        return run

    def stop(self) -> None:
        """Stops every process."""
        for name in HOSPITALS:
            self.command("site", "stop", "--home", f"sites/{name}")
        self.command("network", "stop", "--home", "center")


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
