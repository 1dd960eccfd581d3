"""Figures of results for a notebook: estimates, curves, ROC, net benefit. matplotlib loads with the first."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from protocols.core.errors import Code, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def drawn(result: Any, axes: "Axes | None" = None) -> "Axes":
    """The axes with a result's figure; new ones, if none are given.

    Raises:
        InputError: not-found; this kind of result has none.
    """
    for fields, draw in _FIGURES:
        if all(hasattr(result, name) for name in fields):
            if axes is None:
                from matplotlib.figure import Figure  # not for sites, which draw nothing

                axes = Figure(layout="constrained").subplots()
            draw(result, axes)
            return axes
    raise InputError(Code.NOT_FOUND, f"{type(result).__name__} has no figure", "its summary() is a table")


def _estimates(result: Any, axes: "Axes") -> None:
    """Coefficients, or ratios on a logarithmic scale, with their intervals."""
    ratio = next((name for name in ("hazard_ratio", "odds_ratio") if hasattr(result, name)), None)
    values = getattr(result, ratio or "coef")
    terms = [str(term) for term in result.terms]
    if values.ndim == 2:
        terms = [f"{level:g}: {term}" for level in result.levels for term in terms]
    flat, low, high = (np.ravel(x) for x in (values, result.lower, result.upper))
    known, at = np.isfinite(flat), np.arange(len(flat))[::-1]
    spread = np.abs(np.array([flat - low, high - flat]))[:, known]
    axes.errorbar(flat[known], at[known], xerr=spread, fmt="o", capsize=2)
    axes.axvline(1.0 if ratio else 0.0, linewidth=0.8, color="grey")
    axes.set_yticks(at, terms)
    if ratio:
        axes.set_xscale("log")
    axes.set_xlabel((ratio or "coef").replace("_", " "))


def _curves(result: Any, axes: "Axes") -> None:
    """Kaplan-Meier curves from day 0, with their intervals."""
    days = np.append(0.0, result.days)
    for g, group in enumerate(result.groups):
        axes.step(days, np.append(1.0, result.survival[g]), where="post", label=group)
        low, high = (np.append(1.0, getattr(result, name)[g]) for name in ("lower", "upper"))
        axes.fill_between(days, low, high, step="post", alpha=0.15)
    axes.set(xlabel="days", ylabel="survival", ylim=(0, 1))
    axes.legend()


def _roc(result: Any, axes: "Axes") -> None:
    axes.plot(result.false_positive_rate, result.true_positive_rate, label=f"AUC {result.auc:.3f}")
    axes.plot([0, 1], [0, 1], linewidth=0.8, color="grey")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    axes.legend()


def _net_benefit(result: Any, axes: "Axes") -> None:
    for name, benefit in zip(result.models, result.net_benefit, strict=True):
        axes.plot(result.thresholds, benefit, label=name)
    axes.plot(result.thresholds, result.treat_all, linestyle="--", label="everybody")
    axes.axhline(0, linewidth=0.8, color="grey", label="nobody")
    axes.set(xlabel="threshold", ylabel="net benefit")
    axes.set_ylim(bottom=min(0.0, float(np.nanmin(result.net_benefit))) - 0.02)
    axes.legend()


def _by_day(result: Any, axes: "Axes") -> None:
    for name in ("auc", "brier", "observed", "expected"):
        axes.plot(result.days, getattr(result, name), marker="o", label=name)
    axes.set(xlabel="days", ylim=(0, 1))
    axes.legend()


def _volcano(result: Any, axes: "Axes") -> None:
    """Every test's effect beside its p-value."""
    with np.errstate(divide="ignore"):
        axes.scatter(np.ravel(result.beta), -np.log10(np.ravel(result.p)), s=8)
    axes.set(xlabel="effect", ylabel="-log10 p")


def _components(result: Any, axes: "Axes") -> None:
    shares = result.explained
    axes.bar(np.arange(1, len(shares) + 1), shares)
    axes.set(xlabel="component", ylabel="share of the variance")


_FIGURES: tuple[tuple[tuple[str, ...], Callable[[Any, "Axes"], None]], ...] = (
    (("beta", "p", "q_bh"), _volcano),
    (("groups", "days", "survival"), _curves),
    (("false_positive_rate", "true_positive_rate"), _roc),
    (("net_benefit", "treat_all"), _net_benefit),
    (("days", "brier"), _by_day),
    (("terms", "lower", "upper"), _estimates),
    (("loadings", "explained"), _components),
)
"""The fields that a figure needs, and what draws it; the first that a result has all of."""
