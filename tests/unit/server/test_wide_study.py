"""A study of a block from its file to its verified result: the center keeps its names and hands them over."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from protocols.core import axis
from protocols.core.block import ArrayBlock
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from server.actions import studies
from server.coordination.replay import recompute
from server.home.submissions import State
from site_node.agent.agent import TableOf
from tests.lib.agreement import differences
from tests.lib.consortium import Consortium
from tests.lib.studies import a_study

PROBES = 30


def table_of(site: str, names: tuple[str, ...]) -> TableOf:
    """A function that draws a site's table, in which one probe follows age."""

    def draw(study: Study) -> AnalysisTable:
        rng = np.random.default_rng(ord(site))
        values = rng.normal(size=(60, len(names)))
        age = 50 + 10 * values[:, 7] + rng.normal(size=60)
        blocks = {"cpgs": ArrayBlock(names, values)}
        return AnalysisTable(site, np.arange(60) + 100 * ord(site), {"age": age}, blocks=blocks)

    return draw


def test_a_wide_study_runs_and_verifies_by_the_lists_that_the_center_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"cg{i:08d}" for i in range(PROBES))
    content = a_study().model_dump(mode="json", by_alias=True, exclude={"blocks", "shown_per"})
    content |= {
        "blocks": {"cpgs": {"kind": "methylation", "probes": {"file": "manifest.txt"}}},
        "analyses": [
            {
                "name": "scan",
                "spec": {"protocol": "associate", "features": {"block": "cpgs"}, "outcomes": ["age"]},
            }
        ],
    }
    (tmp_path / "manifest.txt").write_text("\n".join(names))
    (tmp_path / "scan.yaml").write_text(yaml.safe_dump(content))
    consortium = Consortium(tmp_path)
    for site, agent in consortium.agents.items():
        agent.table_of = table_of(site, names)
    submitted = studies.submit(consortium.home, tmp_path / "scan.yaml")
    coordinator = consortium.coordinator()
    coordinator.step()
    kept = Path("lists") / f"{axis.axis_of(names).sha256}.txt"
    for folder in ("center", *consortium.names):
        assert (tmp_path / folder / kept).read_text().splitlines() == list(names)
    study = studies.signing.read_signed(consortium.home, consortium.store.submission(submitted.run).sealed)
    consortium.decide(study, "approved")
    consortium.store.wait(submitted.run, 0)
    assert consortium.ends(submitted.run, coordinator).state is State.DONE
    _, first = recompute(consortium.home, submitted.run)
    assert first["scan"].summary().index[0] == ("cpgs:cg00000007", "age")

    monkeypatch.setattr(axis, "_PUBLISHED", {})  # as in another process, a year later
    monkeypatch.setattr(axis, "_READ", {})
    _, again = recompute(consortium.home, submitted.run)
    assert again["scan"].features == first["scan"].features
    assert max(differences(again["scan"], first["scan"]).values()) == 0
