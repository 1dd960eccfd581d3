"""Thresholds, coefficients of repeatability and noise, against psych, scikit-image and brute force."""

import json
from typing import Any, Literal

import numpy as np
import pytest

from site_node.features.radiomics.stability import icc, noise_of
from site_node.features.radiomics.threshold import Normal, bayes_threshold
from tests.lib.shared import shared
from tests.reference.oracles.conftest import Holds

KINDS: dict[Literal["ICC(1,1)", "ICC(3,1)"], str] = {"ICC(1,1)": "ICC1", "ICC(3,1)": "ICC3"}


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


def test_white_noise_is_that_of_the_haar_detail(holds: Holds) -> None:
    arrays = np.load(shared("oracles/measurement/noise_give.npz"))
    sets = {name: of.get("haar_diagonal_mad") for name, of in oracle("noise")["sets"].items()}
    continuous = ("white", "poisson_gauss", "psf_noise")
    found = [noise_of(arrays[name].astype(float)) for name in continuous]
    holds("measurement, noise by Haar detail", found, [sets[name] for name in continuous], rtol=1e-6)
    # of whole counts the median itself is whole, which blurring by a step mends
    assert noise_of(arrays["poisson_only"].astype(float)) == pytest.approx(sets["poisson_only"], rel=0.05)
