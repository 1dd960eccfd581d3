"""RT16: a coordinator asks for more than the approved study says."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocols.core.errors import Code
from protocols.core.protocol import ask, protocol
from tests.lib.attacked_site import HERE, AttackedSite
from tests.lib.studies import a_study

OF_SUM = replace(ask("counts"), analysis="ages")
MODEL = {"protocol": "logistic", "outcome": "idh1", "covariates": ["age"]}
VARIABLES = {"age": {"kind": "age"}, "idh1": {"kind": "gene", "gene": "IDH1"}}


def test_numbers_of_this_site_leave_only_where_the_study_says_per_site(tmp_path: Path) -> None:
    site, silent = AttackedSite(tmp_path, obedient=True), a_study()
    said = a_study(
        analyses=[{"name": "ages", "spec": {"protocol": "summary", "of": ["age"], "per_site": True}}]
    )
    site.approve(silent)
    site.approve(said)
    assert site.ask(silent, HERE) == (Code.INVALID_STUDY,)
    (answer,) = site.ask(said, HERE)  # type: ignore[misc]
    assert not isinstance(answer, Code)


@pytest.mark.parametrize(
    "spec",
    [
        {
            "protocol": "discrimination",
            "model": MODEL,
            "prepare": [{"protocol": "impute", "mean": ["age"]}],
        },
        {"protocol": "decision_curve", "models": {"one": MODEL}},
    ],
)
def test_a_protocol_that_is_off_does_not_run_inside_another(tmp_path: Path, spec: dict[str, object]) -> None:
    site = AttackedSite(tmp_path)
    study = a_study(variables=VARIABLES, analyses=[{"name": "inside", "spec": spec}])
    site.approve(study)
    outer = spec["protocol"]
    (tmp_path / "policy.toml").write_text(f'[protocols]\n{outer} = "{protocol(outer).version}"\n')
    assert site.propose(study)["code"] == Code.REFUSED_BY_POLICY
