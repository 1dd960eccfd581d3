"""The reference of `posterior`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import proportion_confint

from protocols.applications.posterior import PosteriorSpec, result
from protocols.applications.posterior_result import PosteriorResult
from protocols.core.disclosure import Thresholds
from protocols.core.table import AnalysisTable
from tests.reference.pooled.rows import joined

_NAMES = {"wilson": "wilson", "clopper-pearson": "beta", "jeffreys": "jeffreys"}


def pooled(spec: PosteriorSpec, tables: Sequence[AnalysisTable]) -> PosteriorResult:
    """Counts by pandas; intervals, odds ratios and the AUC checked against libraries, person by person."""
    rows = pd.DataFrame(joined(tables).columns)[[spec.gene, spec.finding]].dropna()
    gene, finding = (rows[name].to_numpy() for name in (spec.gene, spec.finding))
    between = pd.cut(finding, [-np.inf, *spec.cuts, np.inf], right=False, labels=False)
    counts = pd.crosstab(gene, between).reindex(index=[0, 1], columns=range(len(spec.cuts) + 1), fill_value=0)
    each = np.arange(len(spec.cuts) + 1)
    total = {
        "people": np.array([(gene == 0).sum(), (gene == 1).sum()]),
        "counts": counts.to_numpy(),
        "scored": counts.to_numpy().sum(axis=0),
        "sums": np.array([finding[between == k].sum() for k in each]) if spec.is_probability else np.zeros(0),
    }
    found = result(spec, total, np.array([each, each]), Thresholds().min_count, {}, {})
    for k, cut in enumerate(spec.cuts):
        _check_cut(spec, found, k, gene, finding < cut if spec.low_is_positive else finding >= cut)
    order = -between if spec.low_is_positive else between
    np.testing.assert_allclose(found.auc, roc_auc_score(gene, order), rtol=1e-12)
    return found


def _check_cut(spec: PosteriorSpec, found: PosteriorResult, k: int, gene: object, positive: object) -> None:
    table = pd.crosstab(gene, positive).reindex(index=[1, 0], columns=[True, False], fill_value=0)
    (tp, fn), (fp, tn) = table.to_numpy()
    of = {
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    for name, (part, whole) in of.items():
        if not whole:
            continue
        theirs = proportion_confint(part, whole, alpha=1 - spec.level, method=_NAMES[spec.interval])
        ours = getattr(found, name)[k]
        np.testing.assert_allclose(ours, [part / whole, *theirs], rtol=1e-9, atol=1e-12, err_msg=name)
    if min(tp, fn, fp, tn) > 0:
        theirs = Table2x2(table.to_numpy())
        expected = [theirs.oddsratio, *theirs.oddsratio_confint(1 - spec.level)]
        np.testing.assert_allclose(found.odds_ratio[k], expected, rtol=1e-12)
        columns = Table2x2(np.array([[tp, fn], [fp, tn]]))
        expected = [columns.riskratio, *columns.riskratio_confint(1 - spec.level)]
        np.testing.assert_allclose(found.lr_positive[k], expected, rtol=1e-12)
