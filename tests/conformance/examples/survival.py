"""Examples of the protocols that follow people over time."""

from tests.conformance.examples.example import Example

EXAMPLES: dict[str, Example] = {
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
    "landmarking": Example(
        [
            {
                "outcome": "os",
                "covariates": ["age", "f_two"],
                "landmarks": [0, 180],
                "window_days": 360,
                "step_days": 60,
                "with_time": ["f_two"],
                "folds": 3,
            },
            {
                "outcome": "os",
                "covariates": ["idh1"],
                "landmarks": [30],
                "window_days": 360,
                "step_days": 90,
                "ties": "breslow",
                "folds": 2,
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
}
