"""scikit-learn's estimators with the numbers of a federated fit: they predict without having seen a row.

Each is the class that scikit-learn would have fitted on all rows, with its fitted attributes set. A penalty
stands in its parameters; since penalties are on standardized covariates and coefficients are on the original
scale, fitting the same object again on raw rows gives another model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler

from protocols.core.table import Floats

Layers = Sequence[tuple[Floats, Floats]]


def logistic_regression(
    names: Sequence[str],
    coef: Floats,
    *,
    classes: Sequence[float] = (0.0, 1.0),
    inverse_penalty: float = np.inf,
    l1_ratio: float = 0.0,
) -> LogisticRegression:
    """A LogisticRegression of (p,) names.

    Args:
        coef: (1 + p,) log odds of the second of two classes, the intercept first; or (k, 1 + p) of all
            levels but the first, against it.
        classes: (2,) or (k + 1,) values of the outcome, ascending.
        inverse_penalty: scikit-learn's C; infinite without a penalty.
        l1_ratio: of the penalty.
    """
    solver = "lbfgs" if l1_ratio == 0 else "saga"
    model = LogisticRegression(C=inverse_penalty, l1_ratio=l1_ratio, solver=solver)
    rows = np.atleast_2d(coef)
    if len(classes) > 2:
        rows = np.vstack([np.zeros(rows.shape[1]), rows])
    return _fitted(
        model,
        names,
        coef_=rows[:, 1:].copy(),
        intercept_=rows[:, 0].copy(),
        classes_=np.array(classes, dtype=np.float64),
        n_iter_=np.zeros(1, dtype=np.int32),
    )


def linear_regression(names: Sequence[str], coef: Floats) -> LinearRegression:
    """A LinearRegression of (p,) names and (1 + p,) coefficients, the intercept first."""
    slopes = coef[1:].copy()
    return _fitted(LinearRegression(), names, coef_=slopes, intercept_=float(coef[0]), rank_=len(slopes))


def penalized_linear(
    names: Sequence[str], coef: Floats, *, penalty: float, l1_ratio: float, n: int
) -> Ridge | Lasso | ElasticNet:
    """A Ridge, Lasso or ElasticNet of (p,) names and (1 + p,) coefficients, the intercept first.

    Args:
        penalty: of RSS / 2n + penalty * (...); scikit-learn's alpha is n times it for Ridge.
        l1_ratio: 0 is ridge, 1 the lasso.
        n: people.
    """
    if l1_ratio == 0:
        model = Ridge(alpha=n * penalty)
    elif l1_ratio == 1:
        model = Lasso(alpha=penalty)
    else:
        model = ElasticNet(alpha=penalty, l1_ratio=l1_ratio)
    return _fitted(model, names, coef_=coef[1:].copy(), intercept_=float(coef[0]), n_iter_=0)


def poisson_regression(names: Sequence[str], coef: Floats) -> PoissonRegressor:
    """A PoissonRegressor of (p,) names and (1 + p,) log rate ratios, the intercept first.

    It expects an exposure of 1.
    """
    model = PoissonRegressor(alpha=0.0)
    model._base_loss = model._get_loss()  # `predict` takes its link from here; `fit` would set it
    return _fitted(model, names, coef_=coef[1:].copy(), intercept_=float(coef[0]), n_iter_=0)


def principal_components(
    names: Sequence[str],
    loadings: Floats,
    *,
    mean: Floats,
    scale: Floats | None,
    variance: Floats,
    total_variance: float,
    n: int,
) -> PCA | Pipeline:
    """A PCA whose `transform` gives the scores; behind a StandardScaler, where columns were scaled.

    Args:
        loadings: (p, k) of unit length.
        mean, scale: (p,) of the columns; scale is None where only the mean was taken off.
        variance: (k,) of the scores; total_variance: of all columns.
        n: people.
    """
    p, k = loadings.shape
    left = total_variance - variance.sum()
    model = _fitted(
        PCA(n_components=k, svd_solver="full"),
        names if scale is None else (),
        components_=loadings.T.copy(),
        mean_=mean.copy() if scale is None else np.zeros(p),
        explained_variance_=variance.copy(),
        explained_variance_ratio_=variance / total_variance,
        singular_values_=np.sqrt(variance * (n - 1)),
        noise_variance_=float(left / (p - k)) if k < p else 0.0,
        n_components_=k,
        n_samples_=n,
        n_features_in_=p,
    )
    return model if scale is None else Pipeline([("scale", scaler(names, mean, scale, n)), ("pca", model)])


def partial_least_squares(
    rotations: Floats,
    loadings: Floats,
    y_loadings: Floats,
    *,
    names: Sequence[str],
    x: tuple[Floats, Floats],
    y: tuple[Floats, Floats],
    coef: Floats,
) -> PLSRegression:
    """A PLSRegression that predicts from, and gives the scores of, (p,) names.

    Args:
        rotations, loadings: (p, k) of standardized columns; y_loadings: (q, k).
        x, y: their means and standard deviations.
        coef: (p, q) on the original scale.
    """
    (x_mean, x_sd), (y_mean, y_sd) = x, y
    model = PLSRegression(n_components=rotations.shape[1])
    model._x_mean, model._x_std, model._y_mean, model._y_std = x_mean, x_sd, y_mean, y_sd
    model._predict_1d = False
    return _fitted(
        model,
        names,
        x_rotations_=rotations,
        x_loadings_=loadings,
        y_loadings_=y_loadings,
        coef_=coef.T.copy(),
        intercept_=y_mean.copy(),
    )


def classifying_network(
    names: Sequence[str], layers: Layers, activation: str, shift: Floats, scale: Floats, n: int
) -> Pipeline:
    """An MLPClassifier of a 0/1 outcome behind a StandardScaler.

    Args:
        layers: the weights (in, out) and biases (out,) of each.
        activation: scikit-learn's name of it.
        shift, scale: (p,) of the covariates.
        n: people.
    """
    model = _network(MLPClassifier, layers, activation, "logistic")
    classes = np.array([0.0, 1.0])
    _fitted(model, (), classes_=classes, _label_binarizer=LabelBinarizer().fit(classes))
    return Pipeline([("scale", scaler(names, shift, scale, n)), ("network", model)])


def predicting_network(
    names: Sequence[str], layers: Layers, activation: str, shift: Floats, scale: Floats, n: int
) -> TransformedTargetRegressor:
    """An MLPRegressor behind a StandardScaler of its covariates and of its outcome.

    Args:
        layers, activation, n: as of a classifying network.
        shift, scale: (p + 1,) of the covariates and the outcome.
    """
    model = _network(MLPRegressor, layers, activation, "identity")
    inner = Pipeline([("scale", scaler(names, shift[:-1], scale[:-1], n)), ("network", model)])
    outer = scaler((), shift[-1:], scale[-1:], n)
    whole = TransformedTargetRegressor(regressor=inner, transformer=outer)
    return _fitted(whole, (), regressor_=inner, transformer_=outer, _training_dim=1)


def scaler(names: Sequence[str], mean: Floats, scale: Floats, n: int) -> StandardScaler:
    """A StandardScaler that takes the (p,) mean off and divides by the (p,) scale."""
    return _fitted(
        StandardScaler(),
        names,
        mean_=mean.copy(),
        scale_=scale.copy(),
        var_=scale**2,
        n_samples_seen_=n,
        n_features_in_=len(mean),
    )


def _network(kind: Any, layers: Layers, activation: str, output: str) -> Any:
    hidden = tuple(weights.shape[1] for weights, _ in layers[:-1])
    return _fitted(
        kind(hidden_layer_sizes=hidden, activation=activation, solver="sgd"),
        (),
        coefs_=[np.array(weights) for weights, _ in layers],
        intercepts_=[np.array(biases) for _, biases in layers],
        n_layers_=len(layers) + 1,
        n_outputs_=1,
        out_activation_=output,
        n_features_in_=layers[0][0].shape[0],
    )


def _fitted(model: Any, names: Sequence[str], **attributes: Any) -> Any:
    """The estimator with these attributes, and with the names of its columns where it meets a frame."""
    own: Mapping[str, Any] = {}
    if names:
        own = {"feature_names_in_": np.array(names, dtype=object), "n_features_in_": len(names)}
    assert isinstance(model, BaseEstimator)
    for name, value in {**own, **attributes}.items():
        setattr(model, name, value)
    return model
