"""Traps of real data: one-hot columns that follow from each other."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from tests.lib.shared import shared
from tests.lib.studies import a_study_of
from tests.lib.ungated import tables_of

COLUMNS = [f"x{j:02d}" for j in range(39) if j not in (3, 5, 24)]
"""Of FedTCGA-BRCA; too few people differ from the rest in x24, in x03 and x05 beside those of a region."""


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Fed-TCGA-BRCA: 1,088 people of six regions, 39 columns of rank 32, follow-up as the outcome."""
    frame = pd.read_csv(shared("data/stats/fed_tcga_brca.csv"))
    names = pd.read_csv(shared("data/stats/fed_tcga_brca_columns.csv"), index_col=0)["code"].to_dict()
    return frame.rename(columns=names | {"T": "followup"})


def regions(people: pd.DataFrame, columns: list[str]) -> list[AnalysisTable]:
    return tables_of(people[[*columns, "followup"]], people["region"])


def fitted(people: pd.DataFrame, columns: list[str]) -> Any:
    spec = {"protocol": "linear", "outcome": "followup", "covariates": columns}
    # Tables of two of so many codes have cells of few.
    study = a_study_of((*columns, "followup"), {"name": "fit", "spec": spec}, cells="exact")
    return run_locally(study, regions(people, columns))["fit"]


def first_of_rank(x: np.ndarray) -> list[int]:
    """The columns that a QR decomposition in order keeps beside the intercept, as R's lm does (tol 1e-7)."""
    kept: list[int] = []
    basis = np.ones((len(x), 1)) / np.sqrt(len(x))
    for j in range(x.shape[1]):
        rest = x[:, j]
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > 1e-7 * np.linalg.norm(x[:, j]):
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
            kept.append(j)
    return kept


def test_aliased_one_hot_columns_are_those_that_r_drops(people: pd.DataFrame) -> None:
    """Seven of 36 follow from others; the least squares of the rest are numpy's."""
    x, y = people[COLUMNS].to_numpy(dtype=float), people["followup"].to_numpy(dtype=float)
    kept = first_of_rank(x)
    found = fitted(people, COLUMNS)
    assert found.aliased == tuple(c for j, c in enumerate(COLUMNS) if j not in kept)
    assert len(found.aliased) == 7
    design = np.column_stack([np.ones(len(x)), x[:, kept]])
    coef = np.linalg.lstsq(design, y, rcond=None)[0]
    ours = found.coef
    np.testing.assert_allclose(ours[~np.isnan(ours)], coef, rtol=1e-9)
