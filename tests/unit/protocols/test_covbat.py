"""CovBat over sites: the adjusted features against the published algorithm on all rows, and what stays."""

from typing import Any

import numpy as np
import pytest

from protocols.core.errors import Code, StudyError
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.preparation.covbat import Covbat, CovbatSpec
from tests.lib.agreement import differences
from tests.lib.studies import a_study_of
from tests.reference.pooled import reference

FEATURES = tuple(f"f{j}" for j in range(8))


def tables(seed: int = 0, sizes: tuple[int, ...] = (80, 40, 60)) -> list[AnalysisTable]:
    """Sites, a batch each, whose features differ in mean, spread and in which of them go together."""
    rng = np.random.default_rng(seed)
    found = []
    for number, n in enumerate(sizes):
        gene = (rng.random(n) < 0.4).astype(float)
        mixing = np.eye(8) + 0.6 * rng.normal(size=(8, 8)) * (number + 1) / 3
        x = rng.normal(size=(n, 8)) @ mixing * (1 + number / 2) + number + np.outer(gene, np.arange(8) / 4)
        columns = {name: x[:, j].copy() for j, name in enumerate(FEATURES)}
        found.append(AnalysisTable("abcd"[number], np.arange(n), columns | {"gene": gene}))
    return found


def spec_of(**changes: Any) -> CovbatSpec:
    return CovbatSpec.model_validate({"combat": {"features": FEATURES, "covariates": ("gene",)}, **changes})


def adjusted(spec: CovbatSpec, sites: list[AnalysisTable]) -> np.ndarray:
    """The (n, 8) features of all sites after a federated run."""
    outcome = run_locally(a_study_of((*FEATURES, "gene"), {"name": "it", "spec": spec.model_dump()}), sites)
    assert outcome.rounds == 3
    arrays = outcome["it"].transform_arrays()
    changed = [Covbat().transform(spec, t, np.ones(len(t), dtype=bool), **arrays) for t in sites]
    return np.concatenate([t.matrix(FEATURES) for t in changed])


def no_eb_combat(y: Any, batch: Any) -> Any:
    """ComBat of (n, g) values without covariates and empirical Bayes, as covbat.py does the scores."""
    out = np.empty_like(y)
    grand = y.mean(axis=0)
    rest = np.concatenate([y[batch == b] - y[batch == b].mean(axis=0) for b in np.unique(batch)])
    sd = np.sqrt((rest**2).mean(axis=0))
    for b in np.unique(batch):
        z = (y[batch == b] - grand) / sd
        out[batch == b] = (z - z.mean(axis=0)) / z.std(axis=0, ddof=1) * sd + grand
    return out


def published(combatted: Any, expected: Any, batch: Any, explained: float) -> Any:
    """covbat.py after its ComBat: standardize, PCA by scikit-learn, the scores' ComBat, and back."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    scaler, pca = StandardScaler(), PCA()
    scores = pca.fit_transform(scaler.fit_transform(combatted - expected))
    count = int(np.argmax(np.cumsum(pca.explained_variance_ratio_) > explained)) + 1
    scores[:, :count] = no_eb_combat(scores[:, :count], batch)
    return scaler.inverse_transform(scores @ pca.components_) + expected


@pytest.mark.parametrize("explained", [0.5, 0.8, 0.95])
def test_adjusted_features_are_those_of_the_published_algorithm(explained: float) -> None:
    """CovBat_Harmonization/Python/covbat.py in numpy and scikit-learn, all rows in one place."""
    from protocols.preparation.combat import Combat

    spec, sites = spec_of(explained=explained), tables()
    combat = reference(spec.combat, sites)
    arrays = combat.transform_arrays()
    first = [Combat().transform(spec.combat, t, np.ones(len(t), dtype=bool), **arrays) for t in sites]
    y = np.concatenate([t.matrix(FEATURES) for t in first])
    gene = np.concatenate([t.matrix(("gene",)) for t in sites])
    batch = np.repeat(np.arange(3), [len(t) for t in sites])
    expected = combat.grand_mean + gene @ combat.effects
    np.testing.assert_allclose(adjusted(spec, sites), published(y, expected, batch, explained), atol=1e-9)


@pytest.mark.parametrize("method", ["parametric", "mean_only", "no_eb"])
def test_the_federated_result_is_the_pooled_one(method: str) -> None:
    spec = spec_of(combat={"features": FEATURES, "covariates": ("gene",), "method": method}, components=3)
    outcome = run_locally(
        a_study_of((*FEATURES, "gene"), {"name": "it", "spec": spec.model_dump()}), tables()
    )
    apart = differences(outcome["it"], reference(spec, tables()))
    assert max(apart.values()) < 1e-8, apart


def test_covariances_of_the_batches_come_nearer_to_each_other() -> None:
    def apart(y: Any) -> float:
        ends = np.cumsum([len(t) for t in tables()])[:-1]
        each = [np.cov(part.T) for part in np.split(y, ends)]
        return float(sum(np.linalg.norm(a - b) for a in each for b in each))

    sites = tables()
    after_combat = adjusted(spec_of(explained=1e-9), sites)
    assert apart(adjusted(spec_of(), sites)) < 0.95 * apart(after_combat)


def test_more_than_a_third_as_many_features_as_people_are_refused() -> None:
    outcome = run_locally(
        a_study_of((*FEATURES, "gene"), {"name": "it", "spec": spec_of().model_dump()}),
        tables(sizes=(8, 8, 7)),
    )
    with pytest.raises(StudyError) as failed:
        outcome["it"]
    assert failed.value.code == Code.WITHHELD


def test_who_misses_a_feature_misses_all_afterwards() -> None:
    sites = tables()
    sites[0].columns["f2"][:4] = np.nan
    assert np.isnan(adjusted(spec_of(), sites)).any(axis=1).sum() == 4
