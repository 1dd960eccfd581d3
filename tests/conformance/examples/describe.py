"""Examples of the protocols that describe people."""

from tests.conformance.examples.example import Example

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
    "repeatability": Example(
        [
            {"features": {"one": ["f_one", "f_two"], "other": ["age", "twice"]}, "bound": "point"},
            {
                "features": {"one": ["f_one", "f_two", "f_three"]},
                "repeats": ["first reader", "second reader", "third reader"],
                "coefficient": "ICC(2,1)",
                "minimum": 0.5,
            },
        ]
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
    "crosstab": Example(
        [{"rows": "sex", "columns": "idh1"}, {"rows": "idh1", "columns": "sex", "correct": True}]
    ),
    "correlation": Example([{"of": ["age", "f_one", "f_two", "idh1"]}, {"of": ["f_two", "f_three"]}]),
}
