"""Examples of the protocols that weigh what was found."""

from tests.conformance.examples.example import HARMONIZE, Example

EXAMPLES: dict[str, Example] = {
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
    "mediation": Example(
        [
            {"exposure": "idh1", "mediator": "f_one", "outcome": "f_two", "covariates": ["age"]},
            {"exposure": "idh1", "mediator": "f_one", "outcome": "f_two", "intercepts": "site"},
        ],
    ),
}
