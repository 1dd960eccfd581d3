"""One example a protocol. Adding a protocol to the suite is adding its word here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "f_one"]}
HARMONIZE = {"protocol": "combat", "features": ["f_one", "f_two", "f_three"], "covariates": ["age"]}


@dataclass(frozen=True)
class Example:
    """Specs of one protocol, and the fields of its result that the pooled fit does not have.

    Attributes:
        specs: without the protocol's name.
        federated_only: what is about rounds or single sites.
        not_over: ways to split people over sites (`tests/lib/drawn_sites.py`) that it cannot be answered
            over: a site left out needs others, a variance between sites three of them.
        needs_six: whether it cannot be answered over three sites.
    """

    specs: Sequence[Mapping[str, Any]]
    federated_only: frozenset[str] = frozenset()
    not_over: frozenset[str] = frozenset()
    needs_six: bool = False


THREE_AT_MOST = {
    "unequal sites",
    "a site of nine",
    "an empty site",
    "ties",
    "missing values",
    "a column constant at a site",
    "one site",
}
COX = {"protocol": "cox", "outcome": "os", "grid": {"step_days": 60, "until_days": 1200}}
PENALTY = {"l1_ratio": 0.5, "number": 8}
BALANCED = {"kind": "LogisticRegression", "C": 0.1, "class_weight": "balanced"}
DISCRIMINANT = {"kind": "LinearDiscriminantAnalysis", "shrinkage": 0.2}
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
    "attrition": Example(
        [{"steps": ["index event", "adults"]}, {"steps": ["adults"], "per_site": True}],
        frozenset({"by_site", "withheld"}),
    ),
    "left_out": Example(
        [{"needed": {"model": ["age", "f_one", "os"], "imaging": ["f_two", "scanner"]}, "per_site": True}],
        frozenset({"by_site", "withheld"}),
    ),
    "summary": Example(
        [
            {"of": ["age", "f_one", "f_two", "os.time"]},
            {"of": ["age", "f_one"], "by": "idh1", "per_site": True},
            {"cross": [["idh1", "sex"]], "per_site": True},
        ],
        frozenset({"by_site", "withheld"}),
    ),
    "combat": Example(
        [
            {"features": ["f_one", "f_two", "f_three"], "covariates": ["age", "idh1"]},
            {"features": ["f_one", "f_two", "f_three"], "batch": "scanner"},
            {"features": ["f_one", "f_two"], "covariates": ["age"], "reference_site": "a"},
            {"features": ["f_one"], "batch": "scanner", "covariates": ["age"], "method": "no_eb"},
            {"features": {"block": "rna"}, "batch": "scanner", "covariates": ["age"]},
        ]
    ),
    "cox": Example(
        [
            {"outcome": "os", "covariates": ["age", "idh1", "f_one"]},
            {"outcome": "os", "covariates": ["age", "sex"], "ties": "breslow"},
            {"outcome": "os", "covariates": ["f_two"]},
            {
                "outcome": "os",
                "covariates": ["idh1", "f_one"],
                "entry": "age",
                "weight": "age",
                "strata": ["sex"],
                "robust": True,
                "proportional_hazards": "identity",
                "grid": {"step_days": 60, "until_days": 1200},
            },
            {
                "outcome": "os",
                "covariates": ["age", "idh1"],
                "stratify": "none",
                "entry": "age",
                "robust": True,
                "proportional_hazards": "km",
                "grid": {"step_days": 30, "until_days": 1500},
            },
            {
                "outcome": "os",
                "covariates": ["age", "f_one"],
                "stratify": "none",
                "ties": "breslow",
                "weight": "age",
                "proportional_hazards": "log",
                "grid": {"step_days": 7, "until_days": 1400},
            },
            {"outcome": "os", "covariates": ["age", "f_one", "f_two"], "penalty": 0.05},
            {"outcome": "os", "covariates": ["age", "f_one", "f_two"], "penalty": 0.03, "l1_ratio": 0.5},
        ],
        frozenset({"evaluations"}),
    ),
    "logistic": Example(
        [
            {"outcome": "idh1", "covariates": ["age", "f_one", "f_two"]},
            {"outcome": "sex", "covariates": ["f_three"]},
        ],
        frozenset({"evaluations"}),
    ),
    "glm": Example(
        [
            {"outcome": "relapses", "family": "poisson", "covariates": ["age", "idh1"]},
            {"outcome": "os.event", "family": "poisson", "covariates": ["idh1"], "exposure": "os.time"},
            {"outcome": "relapses", "family": "negative_binomial", "covariates": ["age", "f_one"]},
            {"outcome": "idh1", "family": "probit", "covariates": ["age", "f_three"]},
        ],
        frozenset({"evaluations"}),
    ),
    "penalized_logistic": Example(
        [
            {"outcome": "idh1", "covariates": ["age", "f_one", "f_two"], "number": 2},
            {"outcome": "idh1", "covariates": ["age", "f_three"], "l1_ratio": 0, "lambdas": [0.1, 0.01]},
            {"outcome": "sex", "covariates": ["age", "f_two"], "l1_ratio": 0.5, "lambdas": [0.01]},
        ],
        frozenset({"evaluations"}),
    ),
    "impute": Example(
        [
            {"mean": ["age", "idh1"], "median": ["f_one", "f_two", "f_three"], "indicators": ["f_one"]},
            {"mean": ["age"], "zero_is_missing": ["relapses"]},
        ]
    ),
    "multiple_imputation": Example(
        [
            {
                "model": MODEL,
                "norm": ["age", "f_one"],
                "logreg": ["idh1"],
                "predictors": ["os.event", "sex"],
                "imputations": 2,
                "iterations": 2,
            },
            {
                "model": {"protocol": "cox", "outcome": "os", "covariates": ["age", "f_two"]},
                "norm": ["age", "f_two"],
                "predictors": ["os.time", "os.event"],
                "imputations": 3,
                "iterations": 1,
            },
        ]
    ),
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
    "boosting": Example(
        [
            {"outcome": "idh1", "covariates": ["age", "f_one", "sex"], "trees": 4, "bins": 8},
            {"outcome": "age", "covariates": ["f_two", "idh1"], "loss": "squared", "trees": 2, "depth": 2},
            {"outcome": "sex", "covariates": ["age"], "cuts": {"age": [40, 50, 60]}, "trees": 2, "depth": 1},
        ]
    ),
    "mixed": Example(
        [
            {"outcome": "f_one", "covariates": ["age", "idh1"]},
            {"outcome": "age", "covariates": ["f_three"], "method": "ml"},
        ],
        frozenset({"withheld"}),
        not_over=frozenset({"one site", "a site of nine"}),
    ),
    "multinomial": Example(
        [
            {"outcome": "response", "levels": [2, 0, 1], "covariates": ["age", "f_one"]},
            {"outcome": "idh1", "levels": [0, 1], "covariates": ["f_three"]},
        ],
        frozenset({"evaluations"}),
    ),
    "forest": Example(
        [
            {
                "outcome": "idh1",
                "covariates": ["age", "f_one", "f_two", "sex"],
                "trees": 6,
                "depth": 3,
                "bins": 8,
            }
        ]
    ),
    "tune": Example([TUNED, TUNED_COX]),
    "neural": Example(
        [
            {
                "outcome": "idh1",
                "covariates": ["age", "f_one", "f_two"],
                "hidden": [3],
                "strategy": "fedsgd",
                "rounds": 5,
                "rate": 0.5,
                "l2": 0.01,
                "seed": 2,  # from these first weights five people of each site carry every parameter
            },
            {
                "outcome": "f_two",
                "covariates": ["age", "idh1"],
                "loss": "squared",
                "hidden": [3, 2],
                "strategy": "fedsgd",
                "rounds": 4,
                "rate": 0.2,
                "seed": 1,
            },
        ]
    ),
    "local_models": Example(
        [
            {"outcome": "idh1", "covariates": ["age", "f_one"], "classifier": BALANCED},
            {"outcome": "idh1", "covariates": ["age", "f_one", "f_two"], "classifier": DISCRIMINANT},
        ]
    ),
    "evidence": Example(
        [
            {
                "links": {
                    "one": {"feature": "f_one", "outcome": "idh1", "sign": "positive", "pathway": ["sex"]},
                    "two": {
                        "feature": "f_two",
                        "outcome": "relapses",
                        "mechanism": "diffusion_proliferation",
                        "control": "f_three",
                    },
                },
                "confounders": ["age"],
                "scanner": "scanner",
                "harmonize": {**HARMONIZE, "batch": "scanner"},
            },
            {
                "links": {"one": {"feature": "f_one", "outcome": "age", "sign": "negative"}},
                "held_out": ["c"],
            },
        ],
        frozenset({"withheld"}),
        not_over=frozenset({"one site"}),
    ),
    "rare_variants": Example(
        [
            {
                "variants": {"block": "snps"},
                "genes": {"A": "1:1-4500", "B": "2:1-9000", "C": "3:1-20000"},
                "pathways": {"AB": ["A", "B"]},
                "outcome": "f_one",
                "covariates": ["age", "sex"],
                "max_frequency": 0.5,
            },
            {
                "variants": {"block": "snps"},
                "genes": {"A": "1:1-4500", "C": "3:1-20000"},
                "outcome": "idh1",
                "covariates": ["age"],
                "model": "logistic",
                "max_frequency": 0.5,
                "weights": [0.5, 0.5],
            },
        ]
    ),
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
    "availability": Example([{"of": ["age", "idh1", "os", "scanner"]}], frozenset({"by_site", "withheld"})),
    "histogram": Example(
        [
            {"of": "age", "edges": [20, 35, 50, 65, 80]},
            {"of": "f_two", "edges": [-5, 0, 5, 10], "by": "sex"},
        ]
    ),
    "quantiles": Example(
        [
            {"of": [{"variable": "age", "low": 0, "high": 120, "resolution": 0.1}]},
            {
                "of": [
                    {"variable": "f_two", "low": -40, "high": 80, "resolution": 0.05},
                    {"variable": "sex", "low": 0, "high": 1, "resolution": 1},
                ],
                "shares": [0.05, 0.5, 0.9],
            },
        ]
    ),
    "posterior": Example(
        [
            {"gene": "idh1", "finding": "sex"},
            {
                "gene": "idh1",
                "finding": "age",
                "cuts": [40, 50, 60],
                "low_is_positive": True,
                "prevalences": [0.05, 0.4],
                "interval": "clopper-pearson",
                "per_site": True,
            },
            {"gene": "sex", "finding": "f_two", "cuts": [2, 6], "interval": "jeffreys", "level": 0.9},
        ],
        frozenset({"by_site", "withheld", "differ_sensitivity", "differ_specificity"}),
    ),
    "typing": Example(
        [
            {
                "outcome": "response",
                "classes": [0, 1, 2],
                "measured": ["age", "f_one"],
                "coded": {"idh1": [0, 1], "sex": [0, 1]},
            },
            {
                "outcome": "idh1",
                "measured": ["age", "f_one", "f_two"],
                "coded": {"response": [0, 1, 2]},
                "covariance": "shared",
                "shrinkage": 0.1,
                "conformal": {"miss": 0.2, "folds": 2},
                "per_site": True,
            },
            {
                "outcome": "sex",
                "classes": [1, 0],
                "measured": ["f_one", "f_three"],
                "covariance": "own",
                "prevalences": [0.3, 0.7],
                "conformal": {"miss": 0.1, "within": "class", "folds": 2},
            },
        ],
        frozenset({"by_site"}),
        not_over=frozenset({"a site of nine"}),  # whose people are all of one class
    ),
    "crosstab": Example(
        [{"rows": "sex", "columns": "idh1"}, {"rows": "idh1", "columns": "sex", "correct": True}]
    ),
    "correlation": Example([{"of": ["age", "f_one", "f_two", "idh1"]}, {"of": ["f_two", "f_three"]}]),
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
    "kaplan_meier": Example(
        [
            {"outcome": "os", "grid": {"step_days": 30, "until_days": 1500}},
            {"outcome": "os", "by": "idh1", "grid": {"step_days": 60, "until_days": 900}},
            {"outcome": "os", "by": "sex", "interval": "log", "quantiles": [0.5]},
        ]
    ),
    "competing_risks": Example(
        [
            {"outcomes": ["pfs", "os"], "grid": {"step_days": 30, "until_days": 1500}},
            {
                "outcomes": ["pfs", "os"],
                "by": "idh1",
                "grid": {"step_days": 60, "until_days": 900},
                "days": [360, 720],
                "restrict_days": 480,
                "level": 0.9,
            },
        ]
    ),
    "log_rank": Example(
        [
            {"outcome": "os", "by": "sex"},
            {"outcome": "os", "by": "sex", "rho": 1, "strata": ["idh1"]},
            {
                "outcome": "os",
                "by": "sex",
                "stratify": "none",
                "grid": {"step_days": 14, "until_days": 1400},
            },
        ]
    ),
    "linear": Example(
        [
            {"outcome": "f_two", "covariates": ["age", "idh1", "f_one", "f_three"]},
            {"outcome": "f_three", "covariates": ["age", "sex"], "intercepts": "site"},
            {"outcome": "f_two", "covariates": ["age", "sex", "f_one"], "penalty": PENALTY},
        ]
    ),
    "associate": Example(
        [
            {"features": ["f_one", "f_two", "f_three"], "outcomes": ["age", "sex"]},
            {
                "features": ["f_one", "f_three"],
                "outcomes": ["age"],
                "confounders": ["sex", "f_two"],
                "intercepts": "site",
            },
            {
                "features": ["f_one", "f_three"],
                "outcomes": ["sex"],
                "confounders": ["age"],
                "model": "logistic",
            },
            {"features": {"block": "rna"}, "outcomes": ["age", "sex"], "confounders": ["idh1"]},
            {"features": {"block": "rna"}, "outcomes": ["sex"], "model": "logistic"},
        ],
        frozenset({"evaluations"}),
    ),
    "gwas": Example(
        [
            {"variants": {"block": "snps"}, "outcomes": ["f_one", "age"], "covariates": ["sex"]},
            {"variants": {"block": "snps"}, "outcomes": ["f_two"], "intercepts": "site"},
            {"variants": {"block": "snps"}, "outcomes": ["f_one"], "linkage": True},
            {
                "variants": {"block": "snps"},
                "outcomes": ["idh1"],
                "covariates": ["age"],
                "model": "logistic",
            },
        ]
    ),
    "pca": Example(
        [
            {"features": ["age", "f_one", "f_two", "f_three"]},
            {"features": ["f_one", "f_two"], "components": 1, "scale": False},
        ]
    ),
    "cca": Example(
        [
            {"x": ["age", "f_one"], "y": ["f_two", "f_three"]},
            {"x": ["age", "f_one"], "y": ["f_two", "sex"], "ridge_x": 0.1, "ridge_y": 0.2},
        ]
    ),
    "pls": Example(
        [
            {"x": ["age", "f_one", "f_two"], "y": ["f_three", "sex"]},
            {"x": ["age", "f_one", "f_two"], "y": ["f_three", "sex"], "method": "svd", "sparsity_x": 0.8},
        ]
    ),
    "covbat": Example(
        [
            {"combat": {"features": ["f_one", "f_two", "f_three"], "covariates": ["age"]}},
            {"combat": {"features": ["f_one", "f_two"], "batch": "scanner"}, "components": 1},
        ]
    ),
}
