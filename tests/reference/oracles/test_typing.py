"""Naive Bayes, linear and quadratic discriminants over three hospitals, against scikit-learn."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from protocols.applications.typing import level_numbers
from protocols.applications.typing_result import TypingResult
from protocols.applications.typing_spec import TypingSpec
from protocols.core.protocol import parse_spec
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, Floats
from protocols.exchange.local import run_locally
from tests.lib.shared import shared
from tests.lib.studies import REQUESTER
from tests.reference.oracles.conftest import Holds

MEASURED = [f"g{i}" for i in range(4)]
SIGNS = {f"b{i}": [0, 1] for i in range(5)}


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared("oracles/reference/bayes_give.json").read_text())["classifiers"]
    return found


def people(name: str) -> pd.DataFrame:
    return pd.read_csv(shared(f"oracles/data/{name}.csv"))


def run(name: str, **spec: Any) -> tuple[TypingResult, Floats]:
    """The model over the three sites, and the (12, 2) probabilities of the first people."""
    rows = people(name)
    tables = [
        AnalysisTable(str(site), part.index.to_numpy(), {c: part[c].to_numpy(float) for c in rows.columns})
        for site, part in rows.groupby("site")
    ]
    written = {"protocol": "typing", "outcome": "y", **spec}
    kinds = {c: {"kind": "measurement", "concept": f"LOCAL:{c}"} for c in rows.columns if c != "site"}
    study = Study.model_validate(
        {
            "name": "oracle",
            "title": "Oracle",
            "requester": REQUESTER,
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": kinds,
            "analyses": [{"name": "a0", "spec": written}],
            "min_sites": 3,
            "cells": "exact",
        }
    )
    found = run_locally(study, tables)["a0"]
    assert isinstance(found, TypingResult)
    parsed = parse_spec(written)
    assert isinstance(parsed, TypingSpec)
    first = AnalysisTable("all", np.arange(12), {c: rows[c].to_numpy(float)[:12] for c in rows.columns})
    return found, found.model().probabilities(first.matrix(parsed.measured), level_numbers(parsed, first))


def test_naive_bayes_is_that_of_scikit_learn(oracle: dict[str, Any], holds: Holds) -> None:
    truth, (found, p) = oracle["gaussian_nb"], run("classes", measured=MEASURED)
    variance = np.diagonal(found.covariance, axis1=1, axis2=2)
    for ours, theirs in ((found.prior, "prior"), (found.mean, "theta"), (variance, "var"), (p, "proba")):
        holds("naive Bayes, GaussianNB", ours, truth[theirs], rtol=1e-9)
    truth, (found, p) = oracle["bernoulli_nb"], run("classes", coded=SIGNS)
    holds("naive Bayes, BernoulliNB", np.log(found.shares[:, 1::2]), truth["feature_log_prob"], rtol=1e-9)
    holds("naive Bayes, BernoulliNB", p, truth["proba"], rtol=1e-9)
    _, p = run("classes", measured=MEASURED, coded=SIGNS)
    holds("naive Bayes of mixed features", p, oracle["mixed_nb_proba"], rtol=1e-9)


def test_a_missing_feature_drops_out(oracle: dict[str, Any], holds: Holds) -> None:
    truth, (found, p) = oracle["mixed_nb_missing"], run("classes_missing", measured=MEASURED, coded=SIGNS)
    variance = np.diagonal(found.covariance, axis1=1, axis2=2)
    holds("naive Bayes, values missing", found.mean, truth["theta"], rtol=1e-9)
    holds("naive Bayes, values missing", variance, truth["var"], rtol=1e-9)
    holds("naive Bayes, values missing", found.shares[:, 1::2], truth["bernoulli"], rtol=1e-9)
    holds("naive Bayes, values missing", p, truth["proba"], rtol=1e-9)


def test_discriminants_are_those_of_scikit_learn(oracle: dict[str, Any], holds: Holds) -> None:
    truth, (found, p) = oracle["lda"], run("classes", measured=MEASURED, covariance="shared")
    holds("linear discriminant, covariance", found.covariance[0], truth["covariance"], rtol=1e-9)
    coef = np.linalg.solve(found.covariance[0], found.mean[1] - found.mean[0])
    holds("linear discriminant", coef, truth["coef"][0], rtol=1e-9)
    middle = (found.mean[1] + found.mean[0]) / 2
    intercept = np.log(found.prior[1] / found.prior[0]) - middle @ coef
    holds("linear discriminant", intercept, truth["intercept"][0], rtol=1e-9)
    holds("linear discriminant", p, truth["proba"], rtol=1e-8, atol=1e-14)
    _, p = run("classes", measured=MEASURED, covariance="shared", shrinkage=0.2)
    holds("linear discriminant, shrunken", p, truth["proba_shrinkage_0.2"], rtol=1e-8, atol=1e-14)
    # scikit-learn 1.9 divides a class' matrix by its people, whatever the oracle's name of it says.
    truth, (found, p) = oracle["qda"], run("classes", measured=MEASURED, covariance="own")
    holds("quadratic discriminant", found.covariance, truth["covariance_n_minus_1"], rtol=1e-9)
    holds("quadratic discriminant", p, truth["proba"], rtol=1e-8, atol=1e-14)
