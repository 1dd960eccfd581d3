"""Examples of the protocols that prepare values for other analyses."""

from tests.conformance.examples.example import MODEL, Example

EXAMPLES: dict[str, Example] = {
    "combat": Example(
        [
            {"features": ["f_one", "f_two", "f_three"], "covariates": ["age", "idh1"]},
            {"features": ["f_one", "f_two", "f_three"], "batch": "scanner"},
            {"features": ["f_one", "f_two"], "covariates": ["age"], "reference_site": "a"},
            {"features": ["f_one"], "batch": "scanner", "covariates": ["age"], "method": "no_eb"},
            {"features": {"block": "rna"}, "batch": "scanner", "covariates": ["age"]},
        ]
    ),
    "composition": Example(
        [
            {"parts": ["age", "twice"], "zeros": 0.01, "coordinates": "clr"},
            {"parts": ["age", "relapses", "response"], "zeros": 0.002},
        ]
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
    "covbat": Example(
        [
            {"combat": {"features": ["f_one", "f_two", "f_three"], "covariates": ["age"]}},
            {"combat": {"features": ["f_one", "f_two"], "batch": "scanner"}, "components": 1},
        ]
    ),
}
