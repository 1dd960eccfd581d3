"""A result has a figure as data or says why not; both renderers draw it, its numbers are listed."""

import math
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import FrozenInstanceError, fields
from typing import get_args

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from protocols import CATALOGUE
from protocols.core.errors import InputError
from protocols.core.figure import (
    Axis,
    Bar,
    Bars,
    Columns,
    Curve,
    Curves,
    Estimate,
    Estimates,
    Figure,
    HeatMap,
    NoFigure,
    Panel,
)
from protocols.exchange.local import run_locally
from protocols.genomics.associate import AssociateResult
from protocols.results.figures import forest
from protocols.results.number_table import numbers
from protocols.results.plots import draw
from protocols.results.svg import svg
from protocols.results.validation_figures import Roc, roc_panel
from tests.conformance.examples import EXAMPLES
from tests.lib.everything import examples, hospitals, study_with
from tests.lib.extras import NEEDS_TORCH

SVG = "{http://www.w3.org/2000/svg}"
SPECS = examples()


def named(name: str) -> object:
    """A parameter: the first example of a protocol in the quick run, all others in the long one."""
    marks = [NEEDS_TORCH] if name.startswith("neural") else []
    return pytest.param(name, marks=[*marks, *([] if name.endswith("_1") else [pytest.mark.slow])])


WITHOUT = {
    "summary_1": "with `per_site`",
    "summary_2": "without groups",
    "summary_3": "cross table",
    "combat_2": "no covariate was kept",
    "availability_1": "bands of people",
}
"""The examples whose results are not drawn, and a part of the reason that they give."""


def test_every_protocol_is_walked() -> None:
    assert {name.rpartition("_")[0] for name in SPECS} == CATALOGUE.keys()


@pytest.mark.parametrize("name", [named(name) for name in SPECS])
def test_every_result_has_a_figure_or_says_why_not(name: str) -> None:
    sites = "abcdef" if EXAMPLES[name.rpartition("_")[0]].needs_six else "abc"
    found = run_locally(study_with({name: SPECS[name]}), hospitals(*sites))[name]
    figure = found.figure()
    if name in WITHOUT:
        assert isinstance(figure, NoFigure)
        assert WITHOUT[name] in figure.reason
        with pytest.raises(InputError, match="has no figure"):
            found.plot()
    else:
        assert isinstance(figure, Figure)
        for panel in figure.panels:
            assert_drawn(panel)
        assert found.plot().has_data()


def assert_drawn(panel: Panel) -> None:
    """The SVG is well formed, describes itself, holds no script and no id; all numbers are in the tables."""
    root = ET.fromstring(svg(panel))
    assert root.attrib["role"] == "img"
    assert root.findtext(f"{SVG}title")
    assert root.findtext(f"{SVG}desc")
    assert not [e for e in root.iter() if e.tag == f"{SVG}script" or "id" in e.attrib or "style" in e.attrib]
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["x"]) <= width
        assert 0 <= float(text.attrib["y"]) <= height
    tables = numbers(panel)
    assert tables
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


PANELS: tuple[Panel, ...] = (
    Curves("c", Axis("x"), Axis("y"), (Curve("one", (0.0, 1.0), (0.0, 1.0)),)),
    Estimates("e", Axis("ratio", log=True), (Estimate("age", 1.5, 1.1, 2.0),), 1.0),
    Bars("b", Axis("people"), (Bar("a", 3.0),)),
    Columns("h", Axis("age"), Axis("people"), (0.0, 1.0), (("all", (12.0,)),)),
    HeatMap("m", ("a",), ("b",), ((0.5,),), "correlation"),
)
"""One of each kind."""


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: type(panel).__name__)
def test_each_kind_of_panel_is_drawn_by_both_and_listed(panel: Panel) -> None:
    assert_drawn(panel)
    assert draw(Figure((panel,))).has_data()


def test_no_kind_of_panel_is_left_out() -> None:
    assert {type(panel) for panel in PANELS} == set(get_args(Panel))


def texts(panel: Panel) -> list[str]:
    return [t.text or "" for t in ET.fromstring(svg(panel)).iter(f"{SVG}text")]


def test_a_figure_is_frozen_plain_data() -> None:
    figure = Figure((Bars("", Axis("people"), (Bar("a", 3.0),)),))
    with pytest.raises(FrozenInstanceError):
        figure.caption = "other"  # type: ignore[misc]
    assert hash(figure) == hash(Figure((Bars("", Axis("people"), (Bar("a", 3.0),)),)))
    assert {f.name for f in fields(figure)} == {"panels", "caption"}


def test_a_curve_whose_parts_differ_in_length_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        Curve("c", (0.0, 1.0), (0.5,))


def test_an_estimate_without_an_interval_is_a_point_in_both_renderers() -> None:
    forest = Estimates("", Axis("hazard ratio", log=True), (Estimate("age", 1.2), Estimate("sex", 0.8)), 1.0)
    assert {"1.20", "0.800"} <= set(texts(forest))
    assert draw(Figure((forest,))).has_data()


def test_a_forest_writes_estimate_and_interval_beside_each_term() -> None:
    forest = Estimates("", Axis("odds ratio", log=True), (Estimate("age", 1.5, 1.1, 2.05),), 1.0)
    assert "1.50 (1.10 to 2.05)" in texts(forest)
    assert numbers(forest)[0].rows == (("age", 1.5, 1.1, 2.05),)


def test_a_curve_is_interrupted_where_a_number_is_not_known() -> None:
    gap = Curve("", (0.0, 1.0, 2.0, 3.0), (1.0, math.nan, 0.5, 0.4))
    path = ET.fromstring(svg(Curves("", Axis("x"), Axis("y"), (gap,)))).find(f".//{SVG}path")
    assert path is not None
    assert path.attrib["d"].count("M") == 2


def test_what_is_not_shown_is_an_empty_dashed_mark_with_its_reason() -> None:
    bars = Bars("", Axis("people"), (Bar("a", 40.0, "40"), Bar("b", None, "withheld")))
    assert "withheld" in texts(bars)
    assert "stroke-dasharray" in svg(bars)
    assert numbers(bars)[0].rows == (("a", 40.0), ("b", "withheld"))
    columns = Columns("", Axis("age"), Axis("people"), (0.0, 1.0, 2.0), (("all", (12.0, None)),), "withheld")
    assert "withheld" in texts(columns)
    for panel in (bars, columns):
        assert "withheld" in [text.get_text() for text in draw(Figure((panel,))).texts]


def test_a_title_is_text_and_no_markup() -> None:
    drawn = svg(Bars("<b>", Axis("a & b"), (Bar("<i>", 1.0),)))
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    ET.fromstring(drawn)


def test_a_heat_map_writes_its_cells_and_an_empty_one_as_a_dash() -> None:
    cells = HeatMap("", ("a", "b"), ("a", "b"), ((1.0, -0.25), (None, 1.0)), "correlation")
    assert texts(cells).count("1.00") == 2
    assert "−0.25" in texts(cells)
    assert "–" in texts(cells)


def test_plot_without_axes_draws_all_panels_and_with_axes_the_first() -> None:
    panel = Bars("", Axis("people"), (Bar("a", 3.0),))
    assert len(draw(Figure((panel, panel))).figure.axes) == 2
    given = Canvas().subplots()
    assert draw(Figure((panel, panel)), given) is given
    assert len(given.figure.axes) == 1


def test_a_scan_of_many_tests_draws_the_strongest_and_says_so() -> None:
    rng = np.random.default_rng(1)
    shape = (3000, 20)
    beta, p = rng.normal(size=shape), rng.uniform(size=shape)
    p[5, 7], p[6] = 1e-300, np.nan
    found = AssociateResult(
        features=tuple(f"f{i}" for i in range(shape[0])),
        outcomes=tuple(f"o{j}" for j in range(shape[1])),
        beta=beta,
        se=np.ones(shape),
        statistic=beta,
        p=p,
        p_bonferroni=p,
        q_bh=p,
        q_by=p,
        tests=59_980,
        df=100,
        aliased=(),
        untested={},
        not_converged=(),
        n=120,
        sites=3,
        evaluations=0,
    )
    figure = found.figure()
    assert isinstance(figure, Figure)
    panel, cells = figure.panels
    assert isinstance(panel, Curves)
    assert isinstance(cells, HeatMap)
    assert (len(cells.rows), cells.columns) == (30, found.outcomes)
    assert cells.rows[0] == "f5"
    assert cells.values[0][7] == beta[5, 7]
    assert "f6" not in cells.rows
    assert cells.high == -cells.low == max(abs(value) for row in cells.values for value in row if value)
    assert "30 features with the smallest p-values, 20 outcomes" in figure.caption
    points = panel.curves[0]
    assert len(points.x) == 2000
    assert max(points.y) == pytest.approx(300)
    assert points.x[np.argmax(points.y)] == beta[5, 7]
    assert "The 2000 smallest p-values are drawn." in figure.caption
    assert len(svg(panel)) < 300_000


def test_a_forest_of_very_many_covariates_is_cut_and_says_so() -> None:
    names = [f"x{i}" for i in range(200)]
    figure = forest(names, np.ones(200), np.ones(200), np.ones(200), measure="hazard ratio", ratio=True)
    assert isinstance(figure, Figure)
    assert isinstance(figure.panels[0], Estimates)
    assert len(figure.panels[0].rows) == 60
    assert figure.caption == "The first 60 of 200 covariates."


def test_a_roc_curve_does_not_repeat_the_points_of_merged_bins() -> None:
    rates = np.array([0.0, 0.0, 0.0, 0.2, 0.2, 1.0])
    panel = roc_panel([Roc("all", rates, np.array([0.0, 0.0, 0.0, 0.6, 0.6, 1.0]), 0.7)])
    assert panel.curves[0].x == (0.0, 0.2, 1.0)
    assert panel.curves[0].y == (0.0, 0.6, 1.0)


def test_days_and_rounds_are_whole_in_the_table_of_numbers() -> None:
    panel = Curves("", Axis("day"), Axis("share"), (Curve("", (0.0, 30.0), (1.0, 0.5)),))
    assert numbers(panel)[0].rows == ((0, 1.0), (30, 0.5))
    assert isinstance(numbers(panel)[0].rows[1][0], int)


def test_a_result_is_plotted_without_loading_what_draws_beforehand() -> None:
    code = (
        "import sys; from protocols.describe.attrition import AttritionResult; "
        "found = AttritionResult(('all', 'adults'), [40, 30], {}, {}); "
        "assert 'matplotlib' not in sys.modules; assert found.plot().has_data()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
