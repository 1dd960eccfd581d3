"""Examples of the protocols that judge and choose models."""

from tests.conformance.examples.example import COX, HARMONIZE, MODEL, Example

THREE_AT_MOST = {
    "unequal sites",
    "a site of nine",
    "an empty site",
    "ties",
    "missing values",
    "a column constant at a site",
    "one site",
}
TUNED_COX = {
    "protocol": "tune",
    "candidates": {
        "age": {**COX, "covariates": ["age"]},
        "shrunk": {**COX, "covariates": ["age", "idh1", "f_two"], "penalty": 0.1},
    },
    "folds": 3,
}
TUNED = {
    "protocol": "tune",
    "candidates": {
        "age": {**MODEL, "covariates": ["age"]},
        "both": {**MODEL, "protocol": "glm", "family": "probit", "covariates": ["age", "sex"]},
    },
    "folds": 3,
}

EXAMPLES: dict[str, Example] = {
    "decision_curve": Example(
        [
            {
                "models": {"age": {**MODEL, "covariates": ["age"]}, "both": MODEL},
                "reference": "age",
                "categories": [0.3, 0.6],
                "prepare": [{"protocol": "impute", "mean": ["age", "f_one"]}],
            },
            {
                "models": {"probit": {**MODEL, "protocol": "glm", "family": "probit"}},
                "prepare": [HARMONIZE],
                "scheme": {"kind": "sites"},
            },
            {"models": {"age": MODEL}, "scheme": {"kind": "folds", "of": 6, "repeats": 2}},
        ],
        not_over=frozenset({"one site"}),
    ),
    "tune": Example([TUNED, TUNED_COX]),
    "fusion": Example(
        [
            {
                "outcome": "idh1",
                "experts": {
                    "clinic": {**MODEL, "covariates": ["age", "sex"]},
                    "image": {**MODEL, "covariates": ["f_one", "f_two"]},
                },
                "folds": 3,
            }
        ]
    ),
    "model_risk": Example([{"model": MODEL, "most": 0.5, "most_gain": 0.5}]),
    "influence": Example(
        [{"model": MODEL}, {"model": MODEL, "leave_out": "sites"}],
        not_over=frozenset(THREE_AT_MOST),  # tests/unit/protocols/test_influence.py compares it over seven
        needs_six=True,
    ),
    "discrimination": Example(
        [
            {"model": MODEL},
            {"model": MODEL, "harmonize": HARMONIZE, "scheme": {"kind": "folds", "of": 6}, "bins": 50},
            {"model": MODEL, "harmonize": HARMONIZE, "scheme": {"kind": "sites"}},
            {"model": MODEL, "scheme": {"kind": "folds", "of": 6, "repeats": 2}},
        ],
        frozenset({"by_site", "not_judged"}),
        not_over=frozenset({"one site"}),
    ),
    "survival_validation": Example(
        [
            {
                "model": {
                    "protocol": "cox",
                    "outcome": "os",
                    "covariates": ["age", "idh1"],
                    "grid": {"step_days": 60, "until_days": 1200},
                },
                "days": [180, 360, 600],
                "scheme": {"kind": "folds", "of": 6, "repeats": 2},
            },
            {
                "model": {
                    "protocol": "cox",
                    "outcome": "os",
                    "covariates": ["age"],
                    "stratify": "none",
                    "ties": "breslow",
                    "grid": {"step_days": 90, "until_days": 1080},
                },
                "days": [360],
                "scheme": {"kind": "sites"},
            },
        ],
        frozenset({"by_site", "not_judged"}),
        not_over=frozenset({"one site"}),
    ),
    "survival_decision_curve": Example(
        [
            {
                "models": {
                    "age": {**COX, "covariates": ["age"]},
                    "both": {**COX, "covariates": ["age", "idh1"]},
                },
                "day": 360,
                "thresholds": [0.2, 0.35, 0.5],
            },
            {
                "models": {"one": {**COX, "covariates": ["age"], "stratify": "none", "ties": "breslow"}},
                "day": 180,
                "thresholds": [0.1, 0.3],
                "scheme": {"kind": "sites"},
            },
        ],
        not_over=frozenset({"one site"}),
    ),
}
