"""Examples of the protocols that are made for one clinical use."""

from tests.conformance.examples.example import Example

RESPONSES = {
    "protocol": "typing",
    "outcome": "response",
    "classes": [0, 1, 2],
    "measured": ["age", "f_one", "f_two"],
    "covariance": "shared",
}
DESCRIPTIONS = {"none": [0.0, 1.0], "part": [0.5, 0.5], "whole": [1.0, 0.0], "late": [0.2, -0.4]}

EXAMPLES: dict[str, Example] = {
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
    "zero_shot": Example(
        [
            {
                "model": RESPONSES,
                "descriptions": DESCRIPTIONS,
                "seen": {"none": 0, "part": 1, "whole": 2},
            },
            {
                "model": RESPONSES,
                "descriptions": DESCRIPTIONS,
                "seen": {"none": 0, "part": 1, "whole": 2},
                "standardized": False,
                "coding": "minus1_1",
                "ridge": 2.0,
                "allowance": 0.1,
            },
        ],
        not_over=frozenset({"a site of nine"}),
    ),
}
