"""A scan given a variant that was found before, as a covariate of kind `dosage`: plink2 --glm --condition."""

from pathlib import Path

import numpy as np
import pandas as pd

from protocols.exchange.local import run_locally
from protocols.genomics.gwas import GwasResult
from tests.lib import gwas_oracle
from tests.lib.plink_files import needs_plink2, plink2, write_pgen
from tests.reference.oracles.conftest import Holds


@needs_plink2
def test_a_scan_given_its_lead_is_that_of_plink2(holds: Holds, tmp_path: Path) -> None:
    whole = gwas_oracle.pooled()
    copies = np.where(np.isnan(whole.copies), np.round(np.nanmean(whole.copies, axis=0)), whole.copies)
    tables = gwas_oracle.tables(copies)
    spec = {"protocol": "gwas", "variants": {"block": "snps"}, "outcomes": ["qt"], "covariates": ["age"]}
    first = run_locally(gwas_oracle.study(spec), tables)["a0"]
    assert isinstance(first, GwasResult)
    lead = int(np.nanargmin(first.p[:, 0]))
    rows = whole.people.groupby("site").indices.values()
    given = [
        table.with_columns({"lead": copies[here, lead]}) for table, here in zip(tables, rows, strict=True)
    ]
    variables = {name: {"kind": "measurement", "concept": "LOCAL:x"} for name in tables[0].columns}
    dosage = {"kind": "dosage", "variant": whole.axis[lead], "build": "GRCh38"}
    study = gwas_oracle.study(
        {**spec, "covariates": ["age", "lead"]}, variables={**variables, "lead": dosage}
    )
    found = run_locally(study, given)["a0"]
    assert isinstance(found, GwasResult)
    assert np.isnan(found.p[lead, 0])  # it follows from itself

    write_pgen(tmp_path / "whole", whole.axis, copies)
    people = whole.people[["qt", "age"]].assign(iid=[f"p{i}" for i in range(len(copies))])
    people = people[["iid", "qt", "age"]].rename(columns={"iid": "#IID"})
    people.to_csv(tmp_path / "people", sep="\t", index=False, na_rep="NA")
    words = ["--pheno", "people", "--pheno-name", "qt", "--covar", "people", "--covar-name", "age"]
    plink2(tmp_path / "whole", *words, "--condition", whole.axis[lead], "--glm", "hide-covar", "omit-ref")
    theirs = pd.read_csv(tmp_path / "whole.qt.glm.linear", sep="\t").set_index("ID").reindex(whole.axis)
    both = np.isfinite(found.p[:, 0]) & theirs["P"].notna().to_numpy()
    assert both.sum() > 1000
    assert found.n == int(theirs["OBS_CT"].max())
    # the six digits that it prints
    holds("plink2 --condition, beta", found.beta[both, 0], theirs["BETA"][both], rtol=1e-5, atol=1e-6)
    holds("plink2 --condition, se", found.se[both, 0], theirs["SE"][both], rtol=1e-5, atol=0.0)
