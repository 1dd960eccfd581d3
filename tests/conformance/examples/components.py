"""Examples of the protocols that reduce many variables to few."""

from tests.conformance.examples.example import Example

EXAMPLES: dict[str, Example] = {
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
}
