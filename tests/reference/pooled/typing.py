"""The reference of `typing`, with all rows in one place."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import multivariate_normal
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from protocols.applications.typing_result import Sets, TypingResult
from protocols.applications.typing_spec import TypingSpec
from protocols.core.table import AnalysisTable, Floats
from tests.reference.pooled.rows import joined


def pooled(spec: TypingSpec, tables: Sequence[AnalysisTable]) -> TypingResult:
    """pandas' moments and scikit-learn's linear discriminant; sets by sorting each person's own score."""
    table = joined(tables)
    everybody = pd.DataFrame(table.columns)[list(spec.variables())]
    of_class = everybody[spec.outcome].isin(spec.classes).to_numpy()
    trains = (
        np.ones(len(table), dtype=bool)
        if spec.conformal is None
        else spec.conformal.rows("train").mask(table)
    )
    rows = everybody[of_class & trains]
    n = rows[spec.outcome].value_counts().reindex(list(spec.classes)).to_numpy()
    mean, covariance = _moments(spec, rows)
    shares = np.array([_shares(spec, rows[rows[spec.outcome] == c]) for c in spec.classes])
    levels = [f"{name}={level:g}" for name, levels in spec.coded.items() for level in levels]
    under_a_matrix = spec.covariance != "diagonal"
    counted = rows.dropna(subset=list(spec.measured)) if under_a_matrix else rows
    by_class = counted.groupby(spec.outcome)[list(spec.measured)].count()
    found = TypingResult(
        outcome=spec.outcome,
        classes=spec.classes,
        n=n,
        prior=np.array(spec.prevalences) if spec.prevalences else n / n.sum(),
        measured=spec.measured,
        known=by_class.reindex(list(spec.classes)).to_numpy(),
        mean=mean,
        covariance=covariance,
        levels=tuple(levels),
        sizes=np.array([len(levels) for levels in spec.coded.values()], dtype=int),
        shares=shares,
        guessed=np.zeros(shares.shape, dtype=bool),
        sets=None,
    )
    if spec.conformal is None:
        return found
    judged = everybody[of_class & ~trains]
    p = np.array([_probabilities(spec, found, person) for _, person in judged.iterrows()])
    return TypingResult(**{**vars(found), "sets": _sets(spec, judged[spec.outcome].to_numpy(), p)})


def _moments(spec: TypingSpec, rows: pd.DataFrame) -> tuple[Floats, Floats]:
    x, y = rows[list(spec.measured)], rows[spec.outcome]
    by_class = [x[y == c] for c in spec.classes]
    if spec.covariance == "diagonal":
        mean = np.array([part.mean().to_numpy() for part in by_class])
        return mean, np.array([np.diag(part.var(ddof=0)) for part in by_class]).reshape(*mean.shape, -1)
    whole = x.notna().all(axis=1)
    prior = np.array([(y == c).mean() for c in spec.classes])
    if spec.covariance == "shared":
        lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=spec.shrinkage or None, priors=prior)
        lda.fit(x[whole], y[whole])
        return lda.means_, np.broadcast_to(lda.covariance_, (len(prior), *lda.covariance_.shape))
    by_class = [x[whole & (y == c)] for c in spec.classes]
    return np.array([part.mean().to_numpy() for part in by_class]), np.array(
        [part.cov(ddof=0) for part in by_class]
    )


def _shares(spec: TypingSpec, rows: pd.DataFrame) -> Floats:
    found = []
    for name, levels in spec.coded.items():
        counts = rows[name].value_counts().reindex(list(levels), fill_value=0).to_numpy() + spec.laplace
        found.append(counts / counts.sum())
    return np.concatenate([np.zeros(0), *found])


def _probabilities(spec: TypingSpec, found: TypingResult, person: pd.Series) -> Floats:
    """One person's probabilities, from the density of what is known of them."""
    x = person[list(spec.measured)].to_numpy(float)
    known = ~np.isnan(x)
    log = np.log(found.prior)
    for c in range(len(spec.classes)):
        if known.any():
            covariance = found.covariance[c][np.ix_(known, known)]
            log[c] += multivariate_normal(found.mean[c, known], covariance).logpdf(x[known])
        for name in spec.coded:
            if not np.isnan(person[name]):
                log[c] += np.log(found.shares[c, found.levels.index(f"{name}={person[name]:g}")])
    return np.exp(log - np.logaddexp.reduce(log))


def _sets(spec: TypingSpec, y: Floats, p: Floats) -> Sets:
    conformal, classes = spec.conformal, np.array(spec.classes)
    assert conformal is not None
    score = 1 - p[np.arange(len(y)), (y[:, None] == classes).argmax(axis=1)]
    edges = np.arange(1, conformal.bins + 1) / conformal.bins
    threshold = []
    for code in classes:
        own = np.sort(score[y == code] if conformal.within == "class" else score)
        rank = int(np.ceil((len(own) + 1) * (1 - conformal.miss) - 1e-9))
        threshold.append(1.0 if rank > len(own) else edges[np.searchsorted(edges, own[rank - 1])])
    held = 1 - p <= np.array(threshold)
    truth = y[:, None] == classes
    return Sets(
        miss=conformal.miss,
        n=len(y),
        people=truth.sum(axis=0),
        covered=(truth & held).sum(axis=0),
        threshold=np.array(threshold),
        size=float(held.sum() / len(y)),
        accuracy=float((classes[p.argmax(axis=1)] == y).mean()),
        by_site={},
    )
