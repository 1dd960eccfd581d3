"""What an example is, and the models that several of them name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age", "f_one"]}
HARMONIZE = {"protocol": "combat", "features": ["f_one", "f_two", "f_three"], "covariates": ["age"]}
COX = {"protocol": "cox", "outcome": "os", "grid": {"step_days": 60, "until_days": 1200}}


@dataclass(frozen=True)
class Example:
    """Specs of one protocol, and the fields of its result that the pooled fit does not have.

    Attributes:
        specs: without the protocol's name.
        federated_only: what is about rounds or single sites.
        not_over: ways to split people over sites (`tests/lib/drawn_sites.py`) that it cannot be answered
            over: a site left out needs others, a variance between sites three of them.
        needs_six: whether it cannot be answered over three sites.
    """

    specs: Sequence[Mapping[str, Any]]
    federated_only: frozenset[str] = frozenset()
    not_over: frozenset[str] = frozenset()
    needs_six: bool = False
