"""Answers as data frames; what was not told is `pd.NA`, never 0."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from server.client.results import Results

TYPES = {"people": "Int64", "missing": "Int64", "mean": "Float64", "sd": "Float64"}


def query_frame(found: Results) -> pd.DataFrame:
    """One row per site, group and variable of a query."""
    rows = found["summary"].summary().rename(columns={"n": "people"})
    return rows.astype(TYPES).assign(withheld="")


def attrition_frame(found: Results) -> pd.DataFrame:
    """One row per rule of a cohort, one column per site, all of them together first."""
    return found["attrition"].summary().astype("Int64")


@dataclass(frozen=True)
class Preflight:
    """What sites would do with a study, before it is signed.

    Attributes:
        content: as the center said it.
    """

    content: Mapping[str, Any]

    def sites(self) -> pd.DataFrame:
        """One row per site: whether it would refuse, why, and whether it was asked for its counts."""
        rows = [{**one, "refuses": "; ".join(one["refuses"])} for one in self.content["sites"]]
        return pd.DataFrame(rows).set_index("site")

    def people(self) -> pd.DataFrame:
        """One row per variable, one column per site: the least of its band; NA: too few, or no answer."""
        rows = pd.DataFrame(self.content["people"])
        if rows.empty:
            return rows
        return rows.pivot(index="variable", columns="site", values="at_least").astype("Int64")

    def doubts(self) -> pd.DataFrame:
        """One row per thing in the study that could not work, or that nobody knows."""
        return pd.DataFrame(self.content["doubts"], columns=["where", "text", "fix", "is_certain"])

    def _repr_html_(self) -> str:
        return self.sites().to_html() + self.people().to_html(na_rep="fewer than 10, or no answer")
