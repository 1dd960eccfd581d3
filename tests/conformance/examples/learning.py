"""Examples of the protocols that learn without a formula."""

from tests.conformance.examples.example import Example

BALANCED = {"kind": "LogisticRegression", "C": 0.1, "class_weight": "balanced"}
DISCRIMINANT = {"kind": "LinearDiscriminantAnalysis", "shrinkage": 0.2}

EXAMPLES: dict[str, Example] = {
    "boosting": Example(
        [
            {"outcome": "idh1", "covariates": ["age", "f_one", "sex"], "trees": 4, "bins": 8},
            {"outcome": "age", "covariates": ["f_two", "idh1"], "loss": "squared", "trees": 2, "depth": 2},
            {"outcome": "sex", "covariates": ["age"], "cuts": {"age": [40, 50, 60]}, "trees": 2, "depth": 1},
        ]
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
}
