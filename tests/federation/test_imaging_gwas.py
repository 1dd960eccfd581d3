"""The imaging GWAS of docs/examples over synthetic hospitals, by commands, from their files to the report."""

from pathlib import Path

import pytest
from rich.console import Console

from protocols.genomics.ancestry import SETTLED
from protocols.genomics.gwas_figure import GENOME_WIDE
from protocols.genomics.gwas_result import GwasResult
from server.coordination.replay import recompute
from server.demo.run import Demo
from site_node.synthetic import SEED
from site_node.synthetic.genotypes import manifest
from tests.lib.processes import living

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "imaging_gwas.yaml"
VARIANTS, BLOCK = 4000, 10


def test_the_planted_variant_is_found_and_what_only_differs_between_hospitals_is_not(tmp_path: Path) -> None:
    out = tmp_path / "out"
    demo = Demo(out, 3, None, Console(quiet=True), study=EXAMPLE, variants=VARIANTS)
    told = demo.play()
    assert living(out) == []
    array = manifest(VARIANTS, SEED)
    planted, structured = array.names[array.planted], array.names[array.structured]
    (run,) = (entry["run"] for entry in demo.command("study", "list", "--home", "center")["studies"])
    _, outcome = recompute(out / "center", run)
    before, given, after, within = (
        outcome[name] for name in ("as_measured", "by_ancestry", "without_scanners", "within_hospitals")
    )
    assert outcome["origin"].residual.max() <= SETTLED
    assert isinstance(before, GwasResult)
    at = before.variants.index(structured)
    assert before.p[at, 1] < GENOME_WIDE
    assert before.inflation[1] > 3
    assert {*given.loci()["outcome"]} == {"texture"}
    for found in (after, within):
        assert {*found.loci()["outcome"]} == {"texture"}
        assert planted in {*found.loci()["variant"]}
        # So few variants lie far apart, and those of the planted one's block count as loci of their own.
        places = [array.names.index(name) for name in found.loci()["variant"]]
        assert max(abs(place - array.planted) for place in places) <= BLOCK
        assert found.p[found.variants.index(structured)].min() > 1e-3
        assert found.inflation.max() < 1.25
    report = (out / "report" / "report.html").read_text()
    assert "What rigor is worth" in report
    assert planted in report
    assert any("genotypes.bed" in line for line in Path(told["commands"]).read_text().splitlines())
