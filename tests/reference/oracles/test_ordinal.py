"""Proportional and partial proportional odds over three hospitals, against R's MASS and ordinal."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.exchange.local import run_locally
from protocols.regression.ordinal import OrdinalResult
from tests.lib.studies import REQUESTER
from tests.reference.oracles.conftest import Holds

# Counts of MASS::housing (1,681 tenants of Copenhagen) in its order: satisfaction fastest, then influence,
# type and contact.
HOUSING = [
    21, 21, 28, 34, 22, 36, 10, 11, 36, 61, 23, 17, 43, 35, 40, 26, 18, 54, 13, 9, 10, 8, 8, 12,
    6, 7, 9, 18, 6, 7, 15, 13, 13, 7, 5, 11, 14, 19, 37, 17, 23, 40, 3, 5, 23, 78, 46, 43,
    48, 45, 86, 15, 25, 62, 20, 23, 20, 10, 22, 24, 7, 10, 21, 57, 23, 13, 31, 21, 13, 5, 6, 13,
]  # fmt: skip
# Counts of ordinal::wine by rating 1 to 5, for (warm, contact) = (0, 0), (0, 1), (1, 0), (1, 1).
WINE = [[4, 9, 5, 0, 0], [1, 7, 8, 2, 0], [0, 5, 8, 3, 2], [0, 1, 5, 7, 5]]

# R 4.2.2, MASS 7.3-58.2: polr(Sat ~ Infl + Type + Cont, weights = Freq, data = housing, Hess = TRUE,
# control = list(reltol = 1e-15, maxit = 1000)); its standard errors are of a Hessian by differences.
POLR = {
    "coef": [-0.496135138448680, 0.690708260091438, 0.566393737969712, 1.288819110994877,
             -0.572350001879876, -0.366186370358083, -1.091014658728078, 0.360284004329207],
    "se": [0.1248472450367390, 0.1254719394717904, 0.1046527843930481, 0.1271561476938582,
           0.1192380119102006, 0.1551733364101980, 0.1514860225313908, 0.0955357977486539],
    "deviance": 3479.14929905895,
}  # fmt: skip
# ordinal 2022.11-16, control = clm.control(gradTol = 1e-12, maxIter = 200):
# clm(Sat ~ Infl + Type + Cont, weights = Freq, data = housing)
CLM = {
    "coef": [-0.496135138197093, 0.690708259263148, 0.566393737905927, 1.288819110372257,
             -0.572350002041979, -0.366186370688950, -1.091014658969603, 0.360284004569130],
    "se": [0.1248472428774513, 0.1254719378496490, 0.1046527813640073, 0.1271561445677395,
           0.1192380085965915, 0.1551733320187922, 0.1514860185609598, 0.0955357950023712],
    "loglik": -1739.57464952947,
}  # fmt: skip
# clm(Sat ~ Type + Cont, nominal = ~ Infl, ...): cut by cut, whose signs of Infl are turned here
CLM_NOMINAL = {
    "coef": [-0.502201451836324, 0.582249549964385, 1.208355978726855,
             0.698314123979781, 0.557993475439180, 1.323550794908597,
             -0.573398755111971, -0.365301433942033, -1.093879745427128, 0.360450897579454],
    "se": [0.1282015835082556, 0.1180433684832611, 0.1517714413763527,
           0.1307868283956404, 0.1211050970863767, 0.1383397080093713,
           0.1194272047525536, 0.1552909201880273, 0.1516314169840258, 0.0955714354793044],
    "loglik": -1739.02142302359,
}  # fmt: skip
# clm(rating ~ temp + contact, data = wine); clm(rating ~ temp, nominal = ~ contact, data = wine)
CLM_WINE = {
    "coef": [-1.34438341126502, 1.25080879841678, 3.46688692647490, 5.00640420427088,
             2.50310200789956, 1.52779765809535],
    "se": [0.517102045324353, 0.437880202961645, 0.597760424608545, 0.730906343667084,
           0.528680100824928, 0.476622629648342],
    "loglik": -86.4919233656491,
}  # fmt: skip
CLM_WINE_NOMINAL = {
    "coef": [-1.32304335702685, 1.61505921197687, 1.24644354540130, 1.51156733085296,
             3.55004360983896, 1.67475569699166, 4.66024706747029, 1.05062292776455, 2.51904477351139],
    "se": [0.562276151730501, 1.161800534918990, 0.474823978375568, 0.590641374697824,
           0.656023393222000, 0.648837306740973, 0.860402680212470, 0.896510889389422, 0.535046978688741],
    "loglik": -86.2085532314582,
}  # fmt: skip


def tenants() -> np.ndarray[Any, Any]:
    """(1681, 7): satisfaction, medium and high influence, apartment, atrium, terrace, much contact."""
    cells = product((0, 1), range(4), range(3), range(3))
    rows = [(s, i == 1, i == 2, t == 1, t == 2, t == 3, c) for c, t, i, s in cells]
    return np.repeat(np.array(rows, dtype=float), HOUSING, axis=0)


def tasters() -> np.ndarray[Any, Any]:
    """(360, 3): rating, warm, contact; five times, since a rating of five is below the floor."""
    rows = [(rating, warm, contact) for warm, contact in product((0, 1), (0, 1)) for rating in range(1, 6)]
    return np.repeat(np.array(rows, dtype=float), TIMES * np.ravel(WINE), axis=0)


def run(rows: np.ndarray[Any, Any], names: list[str], levels: list[int], varying: list[str]) -> OrdinalResult:
    """The fit over three hospitals."""
    of = np.arange(len(rows)) % 3
    tables = [
        AnalysisTable(f"h{i}", np.flatnonzero(of == i), dict(zip(names, rows[of == i].T, strict=True)))
        for i in range(3)
    ]
    spec = {
        "protocol": "ordinal",
        "outcome": "y",
        "levels": levels,
        "covariates": names[1:],
        "varying": varying,
    }
    study = Study.model_validate(
        {
            "name": "oracle",
            "title": "Oracle",
            "requester": REQUESTER,
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": {name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in names},
            "analyses": [{"name": "a0", "spec": spec}],
            "min_sites": 3,
            "cells": "exact",
        }
    )
    found = run_locally(study, tables)["a0"]
    assert isinstance(found, OrdinalResult)
    return found


TIMES = 5
TENANTS = ["y", "medium", "high", "apartment", "atrium", "terrace", "contact"]


@pytest.mark.parametrize(
    ("name", "varying", "expected"),
    [
        ("ordinal, clm of housing", [], CLM),
        ("ordinal, clm of housing, nominal", ["medium", "high"], CLM_NOMINAL),
        ("ordinal, clm of wine", [], CLM_WINE),
        ("ordinal, clm of wine, nominal", ["contact"], CLM_WINE_NOMINAL),
    ],
)
def test_ordinal_regression_is_that_of_ordinal(
    name: str, varying: list[str], expected: dict[str, Any], holds: Holds
) -> None:
    times = TIMES if "wine" in name else 1
    if times > 1:
        found = run(tasters(), ["y", "warm", "contact"], [1, 2, 3, 4, 5], varying)
    else:
        found = run(tenants(), TENANTS, [0, 1, 2], varying)
    holds(f"{name}: coefficients", found.coef, expected["coef"], rtol=1e-8)
    holds(f"{name}: standard errors", found.se * np.sqrt(times), expected["se"], rtol=1e-8)
    holds(f"{name}: log-likelihood", found.loglik / times, expected["loglik"], rtol=1e-12)


def test_proportional_odds_are_those_of_polr(holds: Holds) -> None:
    found = run(tenants(), TENANTS, [0, 1, 2], [])
    holds("ordinal, polr of housing: coefficients", found.coef, POLR["coef"], rtol=1e-7)
    holds("ordinal, polr of housing: standard errors", found.se, POLR["se"], rtol=1e-6)
    holds("ordinal, polr of housing: deviance", found.deviance, POLR["deviance"], rtol=1e-12)
