"""Thresholds, coefficients of repeatability and noise, against psych, scikit-image and brute force."""

import json
from typing import Any, Literal

import numpy as np
import pytest

from protocols.core.disclosure import Thresholds
from protocols.core.roles import transformed
from protocols.core.study import Study
from protocols.core.table import AnalysisTable
from protocols.describe.repeatability import RepeatabilityResult, RepeatabilitySpec
from protocols.exchange.local import run_locally
from protocols.preparation.composition import CompositionResult, CompositionSpec, closed, without_zeros
from site_node.features.radiomics.stability import icc, noise_of
from site_node.features.radiomics.threshold import Normal, bayes_threshold
from tests.lib.shared import shared
from tests.lib.studies import REQUESTER, a_study_of
from tests.reference.oracles.conftest import Holds
from tests.reference.pooled.repeatability import pooled

KINDS: dict[Literal["ICC(1,1)", "ICC(3,1)"], str] = {"ICC(1,1)": "ICC1", "ICC(3,1)": "ICC3"}

PARTS = tuple(f"part{j}" for j in range(5))


def oracle(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shared(f"oracles/measurement/{name}_give.json").read_text())
    return found


def test_thresholds_misclassify_the_fewest_voxels(holds: Holds) -> None:
    """By a grid of the misclassification; where no threshold is named, one class everywhere is best."""
    cases = oracle("threshold")["threshold"]
    found = [
        bayes_threshold(Normal(c["mean_n"], c["sd_n"]), Normal(c["mean_t"], c["sd_t"]), c["p"]) for c in cases
    ]
    errors = [c["least_error"] for c in cases]
    holds("measurement, threshold: least error", [t.error for t in found], errors, rtol=0, atol=1e-6)
    assert [t.side for t in found] == [c["tumour_is"] for c in cases]
    told = [
        (t.intensity, c["best_threshold"]) for t, c in zip(found, cases, strict=True) if c["best_threshold"]
    ]
    holds("measurement, threshold", *zip(*told, strict=True), rtol=0, atol=1e-3)
    alike = [(t.intensity, c["seed_formula"]) for t, c in zip(found, cases, strict=True) if c["seed_formula"]]
    holds("measurement, threshold of one spread", *zip(*alike, strict=True), rtol=1e-12)


def test_the_icc_is_that_of_psych(holds: Holds) -> None:
    sets = oracle("icc")["sets"]
    for offset, rtol in ((False, 1e-9), (True, 1e-6)):  # psych itself loses digits at an offset of a million
        chosen = [of for name, of in sets.items() if (name == "large_offset") == offset]
        rows = [np.array(of["x"], dtype=float) for of in chosen]
        for kind, word in KINDS.items():
            told = f"measurement, {kind} of perturbations" + ", large offset" * offset
            holds(told, [icc(x, kind) for x in rows], [of["icc"][word] for of in chosen], rtol=rtol)


def of_repeats(spec: dict[str, Any], tables: list[AnalysisTable]) -> RepeatabilityResult:
    """The result over hospitals; of fewer people than the floor with all rows in one place."""
    if sum(len(table.complete(table.columns)) for table in tables) < Thresholds().min_count:
        return pooled(RepeatabilitySpec.model_validate(spec), tables)
    study = Study.model_validate(
        {
            "name": "oracle",
            "title": "Oracle",
            "requester": REQUESTER,
            "cohort": {"index": {"domain": "condition", "concept": "ICD10CM:C71%"}},
            "variables": {
                name: {"kind": "measurement", "concept": f"LOCAL:{name}"} for name in spec["features"]["x"]
            },
            "analyses": [{"name": "a0", "spec": spec}],
            "min_sites": 2,
        }
    )
    found = run_locally(study, tables)["a0"]
    assert isinstance(found, RepeatabilityResult)
    return found


def test_repeatability_over_hospitals_is_that_of_psych(holds: Holds) -> None:
    for name, of in oracle("icc")["sets"].items():
        x = np.array(of["x"], dtype=float)
        columns = [f"repeat{j}" for j in range(x.shape[1])]
        sites = np.array(of["site"]) if "site" in of else np.array(["a", "b", "c"])[np.arange(len(x)) % 3]
        tables = [
            AnalysisTable(str(site), np.flatnonzero(here), dict(zip(columns, x[here].T, strict=True)))
            for site in np.unique(sites)
            for here in [sites == site]
        ]
        spec = {
            "protocol": "repeatability",
            "features": {"x": columns},
            "repeats": columns,
            "coefficient": "ICC(2,1)",
        }
        found = of_repeats(spec, tables)
        rtol = 1e-6 if name == "large_offset" else 1e-9
        for ours, theirs in ((found.icc, "icc"), (found.lower, "lower"), (found.upper, "upper")):
            expected = [of[theirs][word] for word in ("ICC1", "ICC2", "ICC3")]
            holds(f"measurement, repeatability of {name}: {theirs}", ours[0], expected, rtol=rtol)
        holds(f"measurement, repeatability of {name}: CCC", found.ccc, [of["ccc_divisor_n"]], rtol=rtol)


def test_white_noise_is_that_of_the_haar_detail(holds: Holds) -> None:
    arrays = np.load(shared("oracles/measurement/noise_give.npz"))
    sets = {name: of.get("haar_diagonal_mad") for name, of in oracle("noise")["sets"].items()}
    continuous = ("white", "poisson_gauss", "psf_noise")
    found = [noise_of(arrays[name].astype(float)) for name in continuous]
    holds("measurement, noise by Haar detail", found, [sets[name] for name in continuous], rtol=1e-6)
    # of whole counts the median itself is whole, which blurring by a step mends
    assert noise_of(arrays["poisson_only"].astype(float)) == pytest.approx(sets["poisson_only"], rel=0.05)


def of_composition(tables: list[AnalysisTable], **changes: Any) -> CompositionResult:
    spec = {"protocol": "composition", "parts": PARTS, "coordinates": "clr", **changes}
    variables = {name: {"kind": "image_feature", "feature": name} for name in PARTS}
    found = run_locally(a_study_of([], {"name": "a", "spec": spec}, variables=variables), tables)["a"]
    assert isinstance(found, CompositionResult)
    return found


def test_log_ratios_are_those_of_scikit_bio(holds: Holds) -> None:
    """People as they are; sums over sites of each person ten times, since twelve are fewer than the floor."""
    of = oracle("compositional")
    x, delta, sites = np.array(of["x"]), of["delta"], np.array(of["site"])
    columns = dict(zip(PARTS, x.T, strict=True))
    table = AnalysisTable("a", np.arange(len(x)), columns)
    cases = {"clr": {}, "ilr_default_basis": {}, "alr_last": {"reference": PARTS[-1]}}
    for name, more in cases.items():
        spec = CompositionSpec.model_validate(
            {"parts": PARTS, "zeros": delta, "coordinates": name[:3], **more}
        )
        after = transformed(spec, table, np.ones(len(x), dtype=bool), {})
        holds(f"measurement, composition: {name}", after.matrix(spec.makes()), of[name], rtol=0, atol=1e-12)
    holds("measurement, composition: zeros", without_zeros(closed(x), delta), of["multi_replace"], rtol=1e-12)
    tables = [
        AnalysisTable(
            str(site), np.arange(10 * here.sum()), {n: np.repeat(c[here], 10) for n, c in columns.items()}
        )
        for site in np.unique(sites)
        for here in [sites == site]
    ]
    found = of_composition(tables, zeros=delta)
    n = len(x)
    divisor = (10 * n - 1) / (10 * (n - 1))  # variances are over one less than the people
    holds("measurement, composition: centre", found.centre, of["aitchison_centre"], rtol=1e-12)
    holds(
        "measurement, composition: log-ratio variances",
        found.log_ratio_variance * divisor, of["log_ratio_variances"], rtol=0, atol=1e-12,
    )  # fmt: skip
    centring = np.eye(len(PARTS)) - 1 / len(PARTS)
    covariance = -divisor / 2 * centring @ found.log_ratio_variance @ centring
    holds("measurement, composition: covariance of clr", covariance, of["clr_cov"], rtol=0, atol=1e-12)
    total = [found.total_variance * divisor]
    holds("measurement, composition: total variance", total, [of["total_variance"]], rtol=1e-12)
