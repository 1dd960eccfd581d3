"""Examples of every protocol, in one file for each folder of `protocols`: what is here is in the suites."""

from tests.conformance.examples import (
    applications,
    components,
    describe,
    evidence,
    genomics,
    learning,
    preparation,
    regression,
    survival,
    validation,
)
from tests.conformance.examples.example import Example

EXAMPLES: dict[str, Example] = {
    **applications.EXAMPLES,
    **components.EXAMPLES,
    **describe.EXAMPLES,
    **evidence.EXAMPLES,
    **genomics.EXAMPLES,
    **learning.EXAMPLES,
    **preparation.EXAMPLES,
    **regression.EXAMPLES,
    **survival.EXAMPLES,
    **validation.EXAMPLES,
}

__all__ = ["EXAMPLES", "Example"]
