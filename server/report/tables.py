"""A result's table in words: columns by their names in a paper, an interval as one cell, p-values as such."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup

from protocols.core.figure import Estimates, Figure, NoFigure
from protocols.core.protocol import Result
from protocols.results.numerals import shown, shown_interval
from protocols.results.per_unit import Step, estimate_per
from server.report import blocks

WORDS = {
    "coef": "coefficient",
    "se": "standard error",
    "sd": "standard deviation",
    "n": "people",
    "n_events": "events",
    "df": "degrees of freedom",
    "fmi": "missing information",
    "chi_square": "chi-square",
    "bic": "BIC",
    "loglik": "log-likelihood",
    "auc": "AUC",
    "brier": "Brier score",
    "harrell": "Harrell's C",
    "uno": "Uno's C",
    "q_bh": "q (Benjamini-Hochberg)",
    "q_by": "q (Benjamini-Yekutieli)",
    "p_bonferroni": "p (Bonferroni)",
    "treat_all": "act on everybody",
    "treat_none": "act on nobody",
    "n_missing": "without a value",
    "kinds": "filled with",
    "values": "value",
    "bound": "known to within",
    "hazard_ratio": "hazard ratio",
    "odds_ratio": "odds ratio",
    "rate_ratio": "rate ratio",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "lr_positive": "positive likelihood ratio",
    "lr_negative": "negative likelihood ratio",
    "icc": "intraclass correlation",
    "ccc": "Lin's concordance",
    "within_sd": "standard deviation within a person",
    "variation": "coefficient of variation",
    "is_robust": "robust",
    "i_squared": "I²",
    "robust_number": "smallest effect over the largest",
    "consistent_number": "share of hospitals with the expected sign",
    "coherent_number": "share of checks that hold",
    "p_burden": "p (burden)",
    "p_skat": "p (SKAT)",
    "p_skato": "p (SKAT-O)",
    "p_acat": "p (ACAT)",
    "mean_days_lost": "mean days lost",
    "beta": "effect",
    "singular_value": "singular value",
    "grand_mean": "grand mean",
    "auc_bound": "AUC known to within",
    "loglik_null": "log-likelihood without covariates",
}
"""Names of columns that a reader would stop at -> words; others, such as variables' names, stay."""
QUANTILE = re.compile(r"(day|lower|upper)_(0\.\d+)$")
"""Columns of a survival curve's quantiles: day_0.5, lower_0.5, upper_0.5."""
AT_PREVALENCE = re.compile(r"(ppv|npv)_at_(.+)$")
P_VALUES = frozenset({"p", "p_bonferroni", "q_bh", "q_by", "p_burden", "p_skat", "p_skato", "p_acat"})
RATIOS = frozenset({"hazard_ratio", "odds_ratio", "rate_ratio"})
_END = re.compile(r"_(lower|upper)$")
"""Ends of the interval of a column beside it: ppv, ppv_lower, ppv_upper."""
MOST_COLUMNS, FEW_ROWS = 9, 3
"""A table with more of the first and no more of the second is shown with its columns as rows."""
FEW_COLUMNS = 7
"""Up to which there is room for an interval on one line."""
MOST_ROWS = 200


def summary_table(found: Result, steps: dict[str, Step]) -> list[Markup]:
    """The table of a result; covariates with a step get their estimate per step in a further column."""
    frame = found.summary()
    columns, cells = [*_index_names(frame)], [_index(row) for row in frame.index]
    for name in frame.columns:
        if _lower_of(str(name)) in frame or _END.sub("", str(name)) in frame.columns.difference([name]):
            continue
        columns.append(_interval_words(frame) if name == "lower" else words(str(name)))
        for row, value in zip(cells, _column(frame, str(name)), strict=True):
            row.append(value)
    if per := _per_step(found, frame, steps):
        columns.append(per[0])
        for row, value in zip(cells, per[1], strict=True):
            row.append(value)
    if len(columns) > MOST_COLUMNS and len(cells) <= FEW_ROWS:
        columns, cells = _turned(columns, cells)
    return [blocks.table(columns, cells[:MOST_ROWS]), *rows_left_out(len(cells))]


def _turned(columns: list[str], cells: list[list[object]]) -> tuple[list[str], list[list[object]]]:
    """The table with its columns as rows, for a few rows of more columns than a page is wide."""
    first, *rest = zip(columns, *cells, strict=True)
    return [str(cell) for cell in first], [list(row) for row in rest]


def _interval_words(frame: pd.DataFrame) -> str:
    """Of what `lower` and `upper` are an interval: of a ratio before them, else of the coefficient."""
    after = set(frame.columns[list(frame.columns).index("lower") :])
    return "confidence interval of the coefficient" if after & RATIOS else "confidence interval"


def rows_left_out(rows: int) -> list[Markup]:
    """A line on the rows that a table does not show."""
    if rows <= MOST_ROWS:
        return []
    return [blocks.text(f"The first {MOST_ROWS} of {rows} rows; the CSV beside this page has all.", "note")]


def words(name: str) -> str:
    """A column's name in words."""
    if match := QUANTILE.match(name):
        share = f"{float(match[2]):.0%} had the event"
        return f"day by which {share}" if match[1] == "day" else f"its interval ({share})"
    if name.startswith("r_squared_"):
        return f"R² of {name.removeprefix('r_squared_')}"
    if match := AT_PREVALENCE.match(name):
        return f"{WORDS[match[1]]} at a prevalence of {match[2]}"
    return WORDS.get(name, name)


def _index_names(frame: pd.DataFrame) -> list[str]:
    return [words(str(name)) if name else "" for name in frame.index.names]


def _index(key: object) -> list[object]:
    parts = key if isinstance(key, tuple) else (key,)
    return [f"{part:.4g}" if isinstance(part, float) else str(part) for part in parts]


def _column(frame: pd.DataFrame, name: str) -> list[object]:
    values = frame[name].tolist()
    if (upper := name.replace("lower", "upper")) != name and upper in frame:
        pairs = zip(frame[name], frame[upper], strict=True)
        intervals = [shown_interval(float(low), float(high)) for low, high in pairs]
        return [_unbroken(one) if frame.shape[1] <= FEW_COLUMNS else Markup(one) for one in intervals]
    if f"{name}_lower" in frame:
        ends = zip(values, frame[f"{name}_lower"], frame[f"{name}_upper"], strict=True)
        return [_with_interval(*(float(end) for end in one)) for one in ends]
    if name in P_VALUES:
        return [Markup(_p(float(value))) for value in values]
    if _are_counts(values):
        return [None if pd.isna(value) else int(value) for value in values]
    return values


def _with_interval(value: float, low: float, high: float) -> object:
    """A value and its interval in one cell; a dash for one that is missing."""
    return Markup(f"{shown(value)} ({shown_interval(low, high)})") if np.isfinite(value) else None


def _lower_of(name: str) -> str:
    """The name of the column of lower limits that belongs to one of upper limits; empty for another."""
    return name.replace("upper", "lower") if name.startswith("upper") else ""


def _are_counts(values: Sequence[object]) -> bool:
    """Whether all that is known are whole numbers, one of them above 1."""
    known = [value for value in values if isinstance(value, float) and np.isfinite(value)]
    return bool(known) and all(value.is_integer() for value in known) and max(known) > 1


def _p(value: float) -> str:
    return "&lt;\u00a00.001" if value < 1e-3 else shown(value)


def _per_step(
    found: Result, frame: pd.DataFrame, steps: dict[str, Step]
) -> tuple[str, Sequence[object]] | None:
    """The heading and cells of estimates per step; None where the result has none."""
    figure = found.figure()
    forest = None if isinstance(figure, NoFigure) else _forest(figure)
    if forest is None or not any(row.term in steps for row in forest.rows) or frame.index.nlevels > 1:
        return None
    cells: list[object] = []
    known = {row.term: row for row in forest.rows}
    for term in map(str, frame.index):
        if term not in steps or term not in known or not np.isfinite(known[term].value):
            cells.append(Markup(""))
            continue
        row = estimate_per(known[term], steps[term], ratio=forest.axis.log)
        interval = "" if np.isnan(row.low) else f" ({shown_interval(row.low, row.high)})"
        parts = (f"{shown(row.value)}{interval}", steps[term].words)
        cells.append(_unbroken(*parts) if frame.shape[1] <= FEW_COLUMNS else Markup(" ").join(parts))
    return f"{forest.axis.text} per step", cells


def _unbroken(*parts: str) -> Markup:
    """Parts of a cell, none of which is broken over lines."""
    whole = Markup('<span class="whole">{}</span>')
    return Markup(" ").join(whole.format(part) for part in parts)


def _forest(figure: Figure) -> Estimates | None:
    """The figure's panel of covariates' estimates."""
    found = [panel for panel in figure.panels if isinstance(panel, Estimates)]
    return found[0] if found and any(row.term for row in found[0].rows) else None
