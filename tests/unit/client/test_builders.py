"""Builders fill the models of a study's file and no others: the same study has one hash, however written."""

import inspect
from pathlib import Path

import pytest

import shadowgraph as sg
from protocols import CATALOGUE
from protocols.core.errors import Code, InputError
from protocols.core.study import Study
from protocols.core.variables import KINDS
from server.client.builders import StudyBuilder, as_study, to_yaml
from server.client.http import Api
from server.client.network import Network

LGG = Path(__file__).parents[3] / "docs" / "examples" / "lgg.yaml"


def lgg() -> StudyBuilder:
    """The study of the example's file, as a notebook builds it."""
    covariates = ["age", "g3", "idh1_mutated", "vasari_f5"]
    return (
        sg.study(
            "lgg",
            title="Survival and IDH1 in lower-grade glioma, from routine data and readers' scores",
            purpose="Does the proportion of enhancing tumour (VASARI f5) carry prognostic information beside "
            "age, grade and IDH1, and do multifocality (f9) and oedema (f14) tell the IDH1 status?",
            requester=sg.requester("An analyst", "Example University", "public data, no vote needed"),
            cohort=sg.cohort("condition:ICD10CM:C71%"),
            variables={
                "age": sg.age(),
                "g3": sg.finding("SNOMED:371469007", ["G3"]),
                "idh1_mutated": sg.gene("IDH1"),
                "vasari_f5": sg.image_feature("vasari_f5"),
                "vasari_f9": sg.image_feature("vasari_f9"),
                "vasari_f14": sg.image_feature("vasari_f14"),
                "os": sg.survival("overall"),
            },
            digits="full",
            cells="exact",
            min_sites=3,
        )
        .left_out("left_out", per_site=True)
        .summary("counts", ["idh1_mutated"], per_site=True)
        .summary("age", ["age"])
        .cox("cox_os_strata", "os", covariates, ties="efron")
        .cox("cox_os_strata_breslow", "os", covariates, ties="breslow")
        .logistic("logit_idh1", "idh1_mutated", ["age", "vasari_f9", "vasari_f14"])
    )


def test_a_notebook_and_a_file_give_one_hash() -> None:
    assert lgg().hash() == sg.read(LGG).hash()


def test_what_is_written_is_read_again_as_the_same_study(tmp_path: Path) -> None:
    lgg().to_yaml(tmp_path / "study.yaml")
    assert sg.read(tmp_path / "study.yaml").hash() == lgg().hash()
    assert as_study(to_yaml(lgg().study)) == lgg().study


def test_a_cohort_grows_rule_by_rule_and_is_never_changed() -> None:
    glioma = sg.cohort("condition:ICD10CM:C71%")
    narrow = (
        glioma.adults()
        .aged(at_most=80)
        .sex("female")
        .has(modality="MR", features=True)
        .tested("IDH1", mutated=True)
        .followed(365)
        .record("procedure:SNOMED:367336001", to_days=-1, absent=True)
    )
    assert "rules" not in glioma.content
    study = sg.study("narrow", cohort=narrow, variables={"age": sg.age()}).summary("ages", ["age"]).study
    assert study.cohort.steps() == [
        *("index event", "adults", "age", "female", "MR with features", "IDH1 mutated"),
        *("365 days of follow-up", "no procedure:SNOMED:367336001"),
    ]


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("VOCABULARY:CODE", lambda: sg.cohort("glioma")),
        ("gene", lambda: sg.gene("no gene")),
        ("no such variable", lambda: lgg().cox("more", "os", ["grade"])),
        ("two analyses", lambda: lgg().cox("age", "os", ["age"])),
    ],
)
def test_what_does_not_fit_is_refused_where_it_is_written(words: str, call: object) -> None:
    with pytest.raises(InputError, match=words):
        call()  # type: ignore[operator]


def test_every_protocol_and_every_kind_has_its_call_with_its_fields() -> None:
    study = lgg()
    for name in CATALOGUE:
        assert name in dir(study)
        assert "analysis" in inspect.signature(getattr(study, name)).parameters
    for kind in KINDS:
        assert kind in dir(sg)
        assert list(inspect.signature(getattr(sg, kind)).parameters) == [
            name for name in KINDS[kind].model_fields if name != "kind"
        ]
    with pytest.raises(AttributeError, match=r"known: .*cox"):
        _ = study.cocks
    with pytest.raises(AttributeError, match=r"known: .*survival"):
        _ = sg.survivle


def test_a_notebook_shows_what_would_leave() -> None:
    shown = lgg()._repr_html_()
    assert "Cox regression" in shown
    assert "vasari_f14" in shown


def test_no_center_no_network() -> None:
    with pytest.raises(InputError) as raised:
        Network(Api("http://127.0.0.1:9", "")).submit("not/there.yaml")
    assert raised.value.code is Code.NOT_FOUND
    assert isinstance(lgg().study, Study)
