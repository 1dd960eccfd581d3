"""The example studies of links, variants and pathways by real agents, each with its own gate and auditor."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from protocols.core.protocol import Result
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from server.actions import studies
from server.coordination.replay import recompute
from server.home.submissions import State
from tests.lib import planted_expression, planted_links, planted_pathways, planted_variants
from tests.lib.consortium import Consortium

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"


def run(folder: Path, name: str, tables: list[AnalysisTable]) -> Mapping[str, Result]:
    """What an example finds over hospitals with these tables."""
    by_site = {table.site: table for table in tables}
    consortium = Consortium(folder, tuple(by_site))
    for site, agent in consortium.agents.items():
        agent.table_of = at(by_site[site])
    submitted = studies.submit(consortium.home, EXAMPLES / name)
    coordinator = consortium.coordinator()
    coordinator.step()
    study = studies.signing.read_signed(consortium.home, consortium.store.submission(submitted.run).sealed)
    consortium.decide(study, "approved")
    consortium.store.wait(submitted.run, 0)
    assert consortium.ends(submitted.run, coordinator).state is State.DONE
    _, outcome = recompute(consortium.home, submitted.run)
    return {analysis.name: outcome[analysis.name] for analysis in study.analyses}


def at(table: AnalysisTable) -> Callable[[Study], AnalysisTable]:
    return lambda study: table


@pytest.mark.slow
def test_links_get_their_verdicts(tmp_path: Path) -> None:
    found = run(tmp_path, "coherence.yaml", planted_links.hospitals())["links"].summary()
    assert found["verdict"]["proliferation"] == "supported"
    assert (found["verdict"].drop("proliferation") == "not supported").all()


@pytest.mark.slow
def test_a_planted_gene_is_found_in_a_basis_that_the_center_lacks(tmp_path: Path) -> None:
    for result in run(tmp_path, "rare_variants.yaml", planted_variants.hospitals()).values():
        frame = result.summary()
        assert (frame["p_skato"][["EGFR", "pi3k"]] < 1e-6).all()
        assert (frame["p_skato"][["PTEN", "TP53"]] > 0.01).all()


@pytest.mark.slow
def test_a_planted_pathway_is_found_and_one_that_scanners_make_is_not(tmp_path: Path) -> None:
    found = run(tmp_path, "pathways.yaml", planted_pathways.hospitals())
    before, after = (found[name].q_bh for name in ("as_measured", "without_scanners"))
    hypoxia, angiogenesis, cell_cycle = range(3)
    r2star, rcbv = range(2)
    assert before[angiogenesis, rcbv] < 1e-4
    assert after[angiogenesis, rcbv] > 0.05
    assert after[hypoxia, r2star] < 1e-10
    assert after[cell_cycle].min() > 0.05


@pytest.mark.slow
def test_planted_genes_are_found_and_those_that_laboratories_make_are_not(tmp_path: Path) -> None:
    found = run(tmp_path, "expression.yaml", planted_expression.hospitals(4))
    before, after = (
        found[name].summary().p_bonferroni for name in ("laboratories_left_in", "within_hospitals")
    )
    changed = {f"rna:{gene}" for gene in planted_expression.CHANGED}
    assert (before < 0.05).sum() > 2 * len(changed)
    assert {feature for feature, _ in after[after < 0.05].index} == changed
    effects = found["within_hospitals"].summary().loc[[*after[after < 0.05].index]]
    for (feature, _), row in effects.iterrows():
        planted = planted_expression.CHANGED[feature.removeprefix("rna:")]
        assert abs(row.beta - planted) < 3 * row.se
    assert 1 < found["within_hospitals"].moderation.prior_df[0] < 20
