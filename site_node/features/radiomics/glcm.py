"""Grey level co-occurrence matrix features (IBSI 3.6, LFYI)."""

import numpy as np
from numpy.typing import NDArray

from .feature import Definition, Family

FAMILY = Family(
    "Grey level co-occurrence matrix features",
    "LFYI",
    (
        Definition("cm_joint_max", "Joint maximum", "GYBY"),
        Definition("cm_joint_avg", "Joint average", "60VM"),
        Definition("cm_joint_var", "Joint variance", "UR99"),
        Definition("cm_joint_entr", "Joint entropy", "TU9B"),
        Definition("cm_diff_avg", "Difference average", "TF7R"),
        Definition("cm_diff_var", "Difference variance", "D3YU"),
        Definition("cm_diff_entr", "Difference entropy", "NTRS"),
        Definition("cm_sum_avg", "Sum average", "ZGXS"),
        Definition("cm_sum_var", "Sum variance", "OEEB"),
        Definition("cm_sum_entr", "Sum entropy", "P6QZ"),
        Definition("cm_energy", "Angular second moment", "8ZQL"),
        Definition("cm_contrast", "Contrast", "ACUI"),
        Definition("cm_dissimilarity", "Dissimilarity", "8S9J"),
        Definition("cm_inv_diff", "Inverse difference", "IB1Z"),
        Definition("cm_inv_diff_norm", "Normalised inverse difference", "NDRX"),
        Definition("cm_inv_diff_mom", "Inverse difference moment", "WF0Z"),
        Definition("cm_inv_diff_mom_norm", "Normalised inverse difference moment", "1QCO"),
        Definition("cm_inv_var", "Inverse variance", "E8JP"),
        Definition("cm_corr", "Correlation", "NI2N"),
        Definition("cm_auto_corr", "Autocorrelation", "QWB0"),
        Definition("cm_clust_tend", "Cluster tendency", "DG8W"),
        Definition("cm_clust_shade", "Cluster shade", "7NFM"),
        Definition("cm_clust_prom", "Cluster prominence", "AE86"),
        Definition("cm_info_corr1", "First measure of information correlation", "R8DG"),
        Definition("cm_info_corr2", "Second measure of information correlation", "JN9H"),
    ),
)


def entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits of each row of probabilities: (batch, ...) to (batch,)."""
    safe = np.where(p > 0, p, 1.0)
    return np.asarray(-np.sum(p * np.log2(safe), axis=tuple(range(1, p.ndim))))


def compute(counts: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """The family's values by tag, (batch,) each, of symmetric co-occurrence counts (batch, level, level).

    A matrix without any pair gives NaN.
    """
    n = counts.shape[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        p = counts / counts.sum(axis=(1, 2), keepdims=True)
    i = np.arange(1, n + 1, dtype=np.float64)
    marginal = p.sum(axis=1)
    difference, total = _diagonals(p)
    k = np.arange(n, dtype=np.float64)  # |i - j|
    s = np.arange(2, 2 * n + 1, dtype=np.float64)  # i + j
    mean = marginal @ i
    variance = np.sum(marginal * (i - mean[:, None]) ** 2, axis=1)
    product = np.einsum("bij,i,j->b", p, i, i, optimize=True)
    difference_mean, sum_mean = difference @ k, total @ s
    around = s - sum_mean[:, None]
    sum_variance = np.sum(total * around**2, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        # one grey level in all pairs: fully correlated, as IBSI's limit and its implementations have it
        correlation = np.where(
            variance > 0, (product - mean**2) / variance, np.where(variance == 0, 1, np.nan)
        )
    return {
        "cm_joint_max": p.max(axis=(1, 2)),
        "cm_joint_avg": mean,
        "cm_joint_var": variance,
        "cm_joint_entr": entropy(p),
        "cm_diff_avg": difference_mean,
        "cm_diff_var": np.sum(difference * (k - difference_mean[:, None]) ** 2, axis=1),
        "cm_diff_entr": entropy(difference),
        "cm_sum_avg": sum_mean,
        "cm_sum_var": sum_variance,
        "cm_sum_entr": entropy(total),
        "cm_energy": np.einsum("bij,bij->b", p, p),
        "cm_contrast": difference @ k**2,
        "cm_dissimilarity": difference_mean,
        "cm_inv_diff": difference @ (1 / (1 + k)),
        "cm_inv_diff_norm": difference @ (1 / (1 + k / n)),
        "cm_inv_diff_mom": difference @ (1 / (1 + k**2)),
        "cm_inv_diff_mom_norm": difference @ (1 / (1 + (k / n) ** 2)),
        "cm_inv_var": difference[:, 1:] @ (1 / k[1:] ** 2),
        "cm_corr": correlation,
        "cm_auto_corr": product,
        "cm_clust_tend": sum_variance,  # i + j - 2 mean is what both measure (IBSI 3.6.21)
        "cm_clust_shade": np.sum(total * around**3, axis=1),
        "cm_clust_prom": np.sum(total * around**4, axis=1),
        **_information(p, marginal),
    }


def _diagonals(p: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of |i - j| = 0..n-1 and of i + j = 2..2n, (batch, ...) each."""
    batch, n, _ = p.shape
    i, j = np.indices((n, n))
    flat = p.reshape(batch, -1)
    difference, total = np.abs(i - j).ravel(), (i + j).ravel()
    by_difference = [np.bincount(difference, weights, n) for weights in flat]
    by_sum = [np.bincount(total, weights, 2 * n - 1) for weights in flat]
    return np.array(by_difference), np.array(by_sum)


def _information(p: NDArray[np.float64], marginal: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Both measures of information correlation; 0 where the marginal has no information to share."""
    joint, single = entropy(p), entropy(marginal)
    # with p the same on both sides, HXY1 = -sum p_ij log(p_i p_j) and HXY2 both equal 2 HX
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(single == 0, 0.0, (joint - 2 * single) / single)
    second = np.sqrt(np.maximum(1 - np.exp(-2 * (2 * single - joint)), 0))
    return {"cm_info_corr1": first, "cm_info_corr2": second}
