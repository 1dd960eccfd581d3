"""Moderated t over hospitals, compared with Bioconductor limma 3.54.1 on all people together.

`LOGARITHMS` are what R says of `fit <- eBayes(lmFit(E, model.matrix(~ site + group)), trend = ...)`, where E
are the 400 genes of expression_log.csv and site (a factor) and group those of nb_four_sites_samples.csv.
"""

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from protocols.core.block import ArrayBlock
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from protocols.genomics.association import AssociateResult
from tests.lib.shared import shared
from tests.lib.studies import REQUESTER
from tests.reference.oracles.conftest import Holds

LOGARITHMS = {
    False: {
        "df": 66.80294741229561,
        "prior_df": 5.80294741229561,
        "prior": [0.192727346677102] * 3,
        "sums": [106.448561519527843, 872.435491989316120, 947.791291111955161],
        "t": {"g0015": -38.2729485952571, "g0018": 25.3002479877512, "g0046": -24.7271169655007},
        "p": {"g0015": 3.62596462731838e-47, "g0018": 6.12084188701205e-36, "g0046": 2.44554191173374e-35},
        "found": 50,
    },
    True: {
        "df": 114.6353432926661,
        "prior_df": 53.6353432926661,
        "prior": [0.105381560437210, 0.409754947563636, 0.113458764361422],
        "sums": [106.448561519528, 866.307171485711, 1126.321935461657],
        "t": {"g0015": -40.3735913650251, "g0018": 26.6299573836730, "g0046": -25.7502754291759},
        "p": {"g0015": 1.29965175216904e-69, "g0018": 6.46848248285075e-51, "g0046": 1.76059628552295e-49},
        "found": 51,
    },
}
INDICATORS = ("second", "third", "fourth")


@cache
def samples() -> pd.DataFrame:
    return pd.read_csv(shared("oracles/data/nb_four_sites_samples.csv"), index_col=0)


def scan(expression: pd.DataFrame, *, trend: bool, intercepts: str) -> AssociateResult:
    """Genes by people: `~ site + group` over four hospitals, sites by intercepts or by indicators."""
    site, group = samples()["site"].to_numpy(), samples()["group"].to_numpy(dtype=float)
    x = expression.to_numpy().T
    genes = tuple(expression.index)
    tables = []
    for number in np.unique(site):
        rows = site == number
        at = {name: np.full(rows.sum(), float(number == j + 2)) for j, name in enumerate(INDICATORS)}
        columns = {"group": group[rows], **at}
        tables.append(
            AnalysisTable(
                f"s{number}", np.flatnonzero(rows), columns, blocks={"rna": ArrayBlock(genes, x[rows])}
            )
        )
    spec = {
        "protocol": "associate",
        "features": {"block": "rna"},
        "outcomes": ["group"],
        "confounders": INDICATORS if intercepts == "common" else (),
        "intercepts": intercepts,
        "model": "moderated",
        "trend": trend,
    }
    names = ("group", *INDICATORS)
    study: dict[str, Any] = {
        "name": "expression",
        "title": "Expression",
        "requester": REQUESTER,
        "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
        "variables": {name: {"kind": "gene", "gene": "IDH1"} for name in names},
        "blocks": {"rna": {"kind": "expression", "genes": genes}},
        "analyses": [{"name": "scan", "spec": spec}],
    }
    found = run_locally(Study.model_validate(study), tables)["scan"]
    assert isinstance(found, AssociateResult)
    return found


@pytest.mark.parametrize(("trend", "intercepts"), [(False, "site"), (False, "common"), (True, "common")])
def test_moderated_t_is_that_of_limma(trend: bool, intercepts: str, holds: Holds) -> None:
    expression = pd.read_csv(shared("oracles/data/expression_log.csv"), index_col=0)
    found, expected = scan(expression, trend=trend, intercepts=intercepts), LOGARITHMS[trend]
    assert found.moderation is not None
    at = [found.features.index(f"rna:{gene}") for gene in expected["t"]]
    told = "limma eBayes, expression_log"
    holds(told, found.moderation.df, [expected["df"]], rtol=1e-8)
    holds(told, found.moderation.prior_df, [expected["prior_df"]], rtol=1e-8)
    holds(told, found.moderation.prior[:3, 0], expected["prior"], rtol=1e-8)
    sums = [abs(found.beta).sum(), abs(found.statistic).sum(), -np.log10(found.p).sum()]
    holds(told, sums, expected["sums"], rtol=1e-8)
    holds(told, found.statistic[at, 0], [*expected["t"].values()], rtol=1e-8)
    holds(told, found.p[at, 0], [*expected["p"].values()], rtol=1e-6)
    assert (found.q_bh < 0.05).sum() == expected["found"]


@cache
def logcpm() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Logarithms of counts per million of the genes that edgeR keeps, and what limma says of them."""
    whole = json.loads(shared("oracles/reference/expression_give.json").read_text())["nb_four_sites"]
    counts = pd.read_csv(shared("oracles/data/nb_four_sites_counts.csv"), index_col=0)
    design = np.column_stack([pd.get_dummies(samples()["site"]).to_numpy(dtype=float), samples()["group"]])
    kept = counts[_enough(counts.to_numpy(dtype=float), design)]
    assert len(kept) == whole["edger"]["kept"]
    size = np.array(whole["edger"]["lib_size"]) * np.array(whole["edger"]["tmm"])
    prior = 2 * size / size.mean()
    return np.log2((kept + prior) / (size + 2 * prior) * 1e6), whole["limma_trend"]


def _enough(counts: Floats, design: Floats) -> Any:
    """The genes that `filterByExpr` keeps."""
    q, _ = np.linalg.qr(design)
    smallest = 1 / (q**2).sum(axis=1).max()
    smallest = smallest if smallest <= 10 else 10 + (smallest - 10) * 0.7
    size = counts.sum(axis=0)
    enough = (counts / size >= 10 / np.median(size)).sum(axis=1) >= smallest - 1e-14
    return enough & (counts.sum(axis=1) >= 15)


def test_a_trend_of_counts_is_that_of_limma(holds: Holds) -> None:
    expression, expected = logcpm()
    found, top = scan(expression, trend=True, intercepts="common"), expected["top"]
    assert found.moderation is not None
    at = [found.features.index(f"rna:{gene}") for gene in top["gene"]]
    told = "limma eBayes with a trend, nb_four_sites"
    holds(told, found.moderation.prior_df, [expected["df_prior"]], rtol=1e-6)
    for name, ours in (("logFC", found.beta), ("t", found.statistic)):
        holds(told, ours[at, 0], top[name], rtol=1e-8)
    for name, ours in (("P", found.p), ("adjP", found.q_bh)):
        holds(told, ours[at, 0], top[name], rtol=1e-6)
    assert (found.q_bh < 0.05).sum() == expected["n_adjP_0.05"]
