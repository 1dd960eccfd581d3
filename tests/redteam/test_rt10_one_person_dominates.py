"""RT10: coefficients so large that one person alone makes up a sum, in the secure sum as well."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocols.core.errors import Code
from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study_of

N = 200
LOGISTIC: dict[str, Any] = {"protocol": "logistic", "outcome": "y", "covariates": ["x", "z"]}
POISSON: dict[str, Any] = {"protocol": "glm", "outcome": "y", "covariates": ["x", "z"], "family": "poisson"}


def the_table(study: Study) -> AnalysisTable:
    draw = np.random.default_rng(5)
    x, z = draw.normal(size=(2, N))
    return AnalysisTable("a", np.arange(N), {"x": x, "z": z, "y": (draw.uniform(size=N) < 0.4).astype(float)})


def said_at(home: Path, spec: dict[str, Any], coef: list[float]) -> object:
    """What the site says to the derivatives at these coefficients: intercept, x, z."""
    site = AttackedSite(home, the_table, obedient=True)
    study = a_study_of(["x", "z", "y"], {"name": "model", "spec": spec})
    site.approve(study)
    arrays = {"coef": np.array(coef), "shift": np.zeros(2), "scale": np.ones(2)}
    (answer,) = site.ask(study, Ask("derivatives", arrays, analysis="model"))  # type: ignore[misc]
    return answer


@pytest.mark.parametrize("slope", [1e3, 1e5, 1e300])
@pytest.mark.parametrize("person", [0, 17])
def test_a_sharp_edge_beside_one_person_is_not_answered(tmp_path: Path, slope: float, person: int) -> None:
    edge = the_table(
        a_study_of(["x"], {"name": "m", "spec": LOGISTIC | {"covariates": ["x"], "outcome": "x"}})
    )
    at = float(edge.column("x")[person])
    assert said_at(tmp_path, LOGISTIC, [-slope * at, slope, 0.0]) in (Code.SEPARATION, Code.WITHHELD)


def test_a_risk_that_one_person_bears_is_not_answered(tmp_path: Path) -> None:
    assert said_at(tmp_path, POISSON, [0.0, 40.0, 40.0]) == Code.SEPARATION


@pytest.mark.parametrize("coef", [[0.0, 0.0, 0.0], [-0.5, 1.0, -2.0], [1.0, 3.0, 3.0]])
def test_coefficients_of_an_honest_search_are(tmp_path: Path, coef: list[float]) -> None:
    assert not isinstance(said_at(tmp_path, LOGISTIC, coef), Code)
