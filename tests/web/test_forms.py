"""Forms of the wizard: made from the model that reads what they send."""

import pytest

import shadowgraph as sg
from protocols.core.errors import InputError
from protocols.core.study import study_of_text
from server.web.wizard import fields_of, model_of, with_part


def test_a_form_is_made_from_the_model_that_reads_it() -> None:
    fields = {one.name: one for one in fields_of(model_of("analysis", "cox"))}
    assert fields["covariates"].kind == "list"
    assert fields["ties"].choices == ("efron", "breslow")
    assert fields["outcome"].required
    variables = {"age": sg.age(), "idh1": sg.gene("IDH1"), "os": sg.survival("overall")}
    plain = sg.study("plain", cohort=sg.cohort("condition:ICD10CM:C71%"), variables=variables)
    plain = plain.summary("ages", ["age"])
    given = {"f_outcome": "os", "f_covariates": "age, idh1", "f_ties": "breslow"}
    grown = with_part(plain.to_yaml(), "analysis", "cox", "more", given)
    built = plain.cox("more", "os", ["age", "idh1"], ties="breslow")
    assert study_of_text(grown).hash() == built.hash()


@pytest.mark.parametrize("part", ["variable", "analysis", "rule"])
def test_a_part_without_a_name_is_not_added(part: str) -> None:
    with pytest.raises(InputError, match="needs a name"):
        with_part("name: x\n", part, {"variable": "gene", "analysis": "cox", "rule": "age"}[part], " ", {})
