"""Examples of the protocols that explain one outcome."""

from tests.conformance.examples.example import Example

PENALTY = {"l1_ratio": 0.5, "number": 8}

EXAMPLES: dict[str, Example] = {
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
            {
                "outcome": "idh1",
                "covariates": ["age", "f_two"],
                "l1_ratio": 0,
                "number": 2,
                "standardize": False,
            },
            {"outcome": "sex", "covariates": ["age", "f_two"], "l1_ratio": 0.5, "lambdas": [0.01]},
        ],
        frozenset({"evaluations"}),
    ),
    "mixed": Example(
        [
            {"outcome": "f_one", "covariates": ["age", "idh1"]},
            {"outcome": "age", "covariates": ["f_three"], "method": "ml"},
        ],
        frozenset({"withheld"}),
        not_over=frozenset({"one site", "a site of nine"}),
    ),
    "ordinal": Example(
        [
            {"outcome": "response", "levels": [0, 1, 2], "covariates": ["age", "f_one"]},
            {
                "outcome": "response",
                "levels": [2, 1, 0],
                "covariates": ["age", "f_one"],
                "varying": ["f_one"],
            },
        ],
        frozenset({"evaluations"}),
    ),
    "multinomial": Example(
        [
            {"outcome": "response", "levels": [2, 0, 1], "covariates": ["age", "f_one"]},
            {"outcome": "idh1", "levels": [0, 1], "covariates": ["f_three"]},
        ],
        frozenset({"evaluations"}),
    ),
    "linear": Example(
        [
            {"outcome": "f_two", "covariates": ["age", "idh1", "f_one", "f_three"]},
            {"outcome": "f_three", "covariates": ["age", "sex"], "intercepts": "site"},
            {"outcome": "f_two", "covariates": ["age", "sex", "f_one"], "penalty": PENALTY},
        ]
    ),
}
