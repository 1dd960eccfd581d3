"""Blocks of a notebook: data frames by site, whose columns are names of the study's axis in any order."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import shadowgraph as sg
from protocols.core.errors import InputError
from tests.lib.blocks import expression, genes, listed, study_of_block

G = 6
SCAN = {"protocol": "associate", "features": {"block": "rna"}, "outcomes": ["volume"], "confounders": ["age"]}
STUDY = study_of_block(G, ("age", "volume"), SCAN)


def frames() -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, pd.DataFrame]]]:
    """Three sites' variables and genes: the last one's in another order, with a gene that is on no axis."""
    plain, blocks = {}, {}
    for table in expression((60, 40, 80), G):
        index = [f"{table.site}{i}" for i in range(len(table))]
        plain[table.site] = pd.DataFrame({n: table.columns[n] for n in ("age", "volume")}, index)
        values = pd.DataFrame(table.matrix(listed(G)), index, genes(G))
        blocks[table.site] = {"rna": values}
    blocks["c"]["rna"] = blocks["c"]["rna"][list(reversed(genes(G)))].assign(OTHER=1.0)
    return plain, blocks


def test_a_frame_is_read_by_the_names_of_the_axis() -> None:
    plain, blocks = frames()
    found: Any = sg.local(plain, blocks).run(STUDY)["a0"].result
    for position in range(G):
        x = np.concatenate([blocks[site]["rna"][f"GENE{position}"] for site in "abc"])
        others = pd.concat(plain.values())
        design = np.column_stack([np.ones(len(x)), others["age"], x])
        coef = np.linalg.lstsq(design, others["volume"], rcond=None)[0]
        assert found.beta[position, 0] == pytest.approx(coef[2], rel=1e-8)


def test_a_block_of_other_people_is_refused() -> None:
    plain, blocks = frames()
    blocks["b"]["rna"] = blocks["b"]["rna"].iloc[::-1]
    with pytest.raises(InputError, match="block rna of b has not the people"):
        sg.local(plain, blocks)
