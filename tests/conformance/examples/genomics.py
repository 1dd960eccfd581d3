"""Examples of the protocols that test many genes, variants or features."""

from tests.conformance.examples.example import Example

EXAMPLES: dict[str, Example] = {
    "pathways": Example(
        [
            {"features": {"block": "rna"}, "sets": {"one": ["GENE0", "GENE1"]}, "method": method}
            for method in ("zscore", "plage", "ssgsea", "gsva")
        ],
    ),
    "ancestry": Example(
        [
            {"variants": {"block": "snps"}, "components": 2},
            {"variants": {"block": "snps"}, "components": 1, "max_r2": 1.0, "min_call_rate": 0.5},
        ],
        frozenset({"loadings", "residual"}),  # as exact as `residual` says: tests/unit/genomics/test_ancestry
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
            {
                "features": {"block": "rna"},
                "outcomes": ["sex", "age"],
                "confounders": ["idh1"],
                "model": "moderated",
                "trend": True,
            },
            {
                "features": ["f_one", "f_two", "f_three"],
                "outcomes": ["sex"],
                "intercepts": "site",
                "model": "moderated",
            },
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
}
