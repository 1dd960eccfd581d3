"""The pooled analysis of synthetic hospitals, with all rows in one place: plain numpy features, ComBat, AUC.

Written from the papers and from no analysis of this project, so that it can judge the generator.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from site_node.synthetic import consortium
from site_node.synthetic.hospital import head_ct
from site_node.synthetic.patients import draw_patients
from site_node.synthetic.phantom import contour_mask

FEATURES = ["mean", "mad", "entropy"]
BIN_HU = 5.0


def image_table(seed: int, sites: int = 3) -> pd.DataFrame:
    """One row for each patient who was scanned, contoured and sequenced."""
    rows = []
    for plan in consortium(sites):
        for row, patient in enumerate(draw_patients(plan, seed)):
            if patient.imaged and patient.contoured and patient.sequenced:
                head = head_ct(plan, patient, row, seed)
                rows.append(
                    {
                        "site": plan.name,
                        "scanner": patient.scanner.station,
                        "age": patient.age,
                        "IDH1": "IDH1" in patient.mutated,
                        "TP53": "TP53" in patient.mutated,
                        **_features(head.array[contour_mask(patient.lesion)].astype(float)),
                    }
                )
    return pd.DataFrame(rows)


def survival_table(seed: int, sites: int = 3) -> pd.DataFrame:
    """One row for each patient with KPS and sequencing: site, time_days, died, age, IDH1, kps."""
    rows = [
        {
            "site": plan.name,
            "time_days": patient.time_days,
            "died": patient.died,
            "age": patient.age,
            "IDH1": float("IDH1" in patient.mutated),
            "kps": float(patient.kps),
        }
        for plan in consortium(sites)
        for patient in draw_patients(plan, seed)
        if patient.sequenced and patient.kps_recorded
    ]
    return pd.DataFrame(rows)


def combat(table: pd.DataFrame) -> pd.DataFrame:
    """The features after parametric ComBat by scanner, with age kept (Johnson 2007, Fortin 2018)."""
    y = table[FEATURES].to_numpy()
    batch = pd.get_dummies(table["scanner"]).to_numpy(float)
    age = table["age"].to_numpy()[:, None]
    sizes = batch.sum(axis=0)
    design = np.hstack([batch, age])
    coef = np.linalg.lstsq(design, y, rcond=None)[0]
    scale = np.sqrt(((y - design @ coef) ** 2).mean(axis=0))
    stand_mean = (sizes / sizes.sum()) @ coef[: batch.shape[1]] + age @ coef[batch.shape[1] :]
    z = (y - stand_mean) / scale
    adjusted = z.copy()
    for column, size in enumerate(sizes):
        rows = batch[:, column] > 0
        gamma, delta = _posterior(z[rows], size)
        adjusted[rows] = (z[rows] - gamma) / np.sqrt(delta)
    return table.assign(**dict(zip(FEATURES, (adjusted * scale + stand_mean).T, strict=True)))


def out_of_fold(table: pd.DataFrame, feature: str, gene: str, fold: NDArray[np.int64]) -> NDArray[np.float64]:
    """The score of each patient by a logistic model that was fitted without the patient's fold."""
    x, y = table[[feature]].to_numpy(), table[gene].to_numpy(bool)
    score = np.empty(len(y))
    for held_out in np.unique(fold):
        train = fold != held_out
        mean, sd = x[train].mean(), x[train].std()
        model = LogisticRegression(C=1e6).fit((x[train] - mean) / sd, y[train])
        score[~train] = model.decision_function((x[~train] - mean) / sd)
    return score


def auc(table: pd.DataFrame, feature: str, gene: str) -> float:
    """The pooled AUC of the feature itself: no model, no folds, all hospitals in one."""
    return float(roc_auc_score(table[gene], table[feature]))


def auc_by_left_out_site(table: pd.DataFrame, feature: str, gene: str) -> list[float]:
    """The AUC inside each hospital of a model that was fitted on the others."""
    fold = table["site"].astype("category").cat.codes.to_numpy(np.int64)
    score = out_of_fold(table, feature, gene, fold)
    positive = table[gene].to_numpy(bool)
    return [float(roc_auc_score(positive[fold == site], score[fold == site])) for site in np.unique(fold)]


def _features(values: NDArray[np.float64]) -> dict[str, float]:
    """IBSI's Q4LE, 4FUA, and TLU2 with a fixed bin size."""
    counts = np.bincount(np.floor((values - values.min()) / BIN_HU).astype(int))
    share = counts[counts > 0] / len(values)
    return {
        "mean": float(values.mean()),
        "mad": float(np.abs(values - values.mean()).mean()),
        "entropy": float(-(share * np.log2(share)).sum()),
    }


def _posterior(z: NDArray[np.float64], size: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A batch's location and scale of each feature, shrunk to the batch's prior (Johnson 2007, eq. 3.1)."""
    gamma_hat, delta_hat = z.mean(axis=0), z.var(axis=0, ddof=1)
    prior_mean, prior_var = gamma_hat.mean(), gamma_hat.var(ddof=1)
    m, s2 = delta_hat.mean(), delta_hat.var(ddof=1)
    shape, rate = (2 * s2 + m**2) / s2, (m * s2 + m**3) / s2
    gamma, delta = gamma_hat, delta_hat
    for _ in range(200):  # converges in about ten; more cost nothing
        gamma = (prior_var * size * gamma_hat + delta * prior_mean) / (prior_var * size + delta)
        delta = (((z - gamma) ** 2).sum(axis=0) / 2 + rate) / (size / 2 + shape - 1)
    return gamma, delta
