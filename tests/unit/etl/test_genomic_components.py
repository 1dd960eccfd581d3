"""What genomics-reporting's components say of a change: fraction, place, kind and consequence."""

from typing import Any

import pytest

from cdm.etl.fhir.words.components import Components
from cdm.etl.fhir.words.consequence import (
    COUNTED,
    FUSIONS,
    SMALL,
    WILD_TYPE,
    classification_of,
    kind_of,
    partners,
)
from cdm.etl.fhir.words.places import place_of

LOINC = "http://loinc.org"
SO = "http://www.sequenceontology.org"


def component(code: str, **value: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, **value}


def concept(code: str, *words: str) -> dict[str, Any]:
    return component(code, valueCodeableConcept={"coding": [{"system": SO, "code": word} for word in words]})


def quantity(code: str, value: float, unit: str | None = None) -> dict[str, Any]:
    return component(code, valueQuantity={"value": value, **({"code": unit} if unit else {})})


def of(*components: dict[str, Any]) -> Components:
    return Components({"component": list(components)})


@pytest.mark.parametrize(
    ("value", "unit", "fraction"),
    [
        (57.4, "%", 0.574),
        (0.34, "1", 0.34),
        (0.34, None, 0.34),
        (0.34, "{ratio}", 0.34),
        (57.4, None, None),  # perhaps a percentage, perhaps not
        (157.4, "%", None),
        (12, "mg", None),
    ],
)
def test_a_fraction_has_its_unit(value: float, unit: str | None, fraction: float | None) -> None:
    assert of(quantity("81258-6", value, unit)).fraction("81258-6") == pytest.approx(fraction)


@pytest.mark.parametrize(
    ("counting", "place"),
    [
        ("LA30102-0", ("7", 55191822, 55191823)),
        ("LA30101-2", ("7", 55191823, 55191824)),
        ("LA30100-4", ("7", 55191823, 55191823)),
        (None, ("7", None, None)),
    ],
)
def test_positions_are_counted_as_the_observation_says(counting: str | None, place: tuple[Any, ...]) -> None:
    ends = {"low": {"value": 55191822}, "high": {"value": 55191823}}
    parts = [component("81254-5", valueRange=ends), concept("48013-7", "NC_000007.14")]
    found = place_of(of(*parts, *([concept("92822-6", counting)] if counting else [])))
    assert (found.chromosome, found.start, found.end) == place
    assert found.build == "GRCh38"


@pytest.mark.parametrize(
    ("text", "chromosome"),
    [("Chromosome 9", "9"), ("chrX", "X"), ("chr09", "9"), ("M", "MT"), ("9q34", None)],
)
def test_a_chromosome_is_written_as_in_files(text: str, chromosome: str | None) -> None:
    assert place_of(of(component("48000-4", valueString=text))).chromosome == chromosome


def test_a_genomic_hgvs_says_chromosome_place_and_build() -> None:
    found = place_of(of(concept("81290-9", "NC_000002.11:g.209113112_209113113del")))
    assert found == ("2", 209113112, 209113113, "GRCh37")


@pytest.mark.parametrize(
    ("components", "kind"),
    [
        ([concept("48019-4", "SO:0001742")], COUNTED._replace(direction=1)),
        ([concept("48019-4", "SO:0001743")], COUNTED._replace(direction=-1)),
        ([quantity("82155-3", 12)], COUNTED),
        ([quantity("82155-3", 2), component("48005-3", valueString="p.Arg132His")], SMALL),
        ([concept("48019-4", "SO:0000159"), quantity("82155-3", 0)], COUNTED),
        ([concept("48019-4", "SO:0000159")], SMALL),
        ([concept("48019-4", "SO:0000199")], FUSIONS),
        ([concept("48019-4", "SO:0001483")], SMALL),
        ([concept("48019-4", "LA9658-1")], WILD_TYPE),
    ],
)
def test_the_kind_of_change(components: list[dict[str, Any]], kind: Any) -> None:
    assert kind_of(of(*components)) == kind


@pytest.mark.parametrize(
    ("components", "word"),
    [
        ([concept("molecular-consequence", "SO:0001819")], "Silent"),
        ([concept("molecular-consequence", "SO:0001627", "SO:0001583")], "Missense_Mutation"),
        ([concept("molecular-consequence", "stop_gained")], "Nonsense_Mutation"),
        (
            [concept("molecular-consequence", "SO:0001589"), component("48004-6", valueString="c.1dup")],
            "Frame_Shift_Ins",
        ),
        ([concept("molecular-consequence", "SO:0009999")], "Unknown"),
        ([component("48005-3", valueString="NP_005219.2:p.(Gln787=)")], "Silent"),
        ([component("48005-3", valueString="p.(=)")], "Silent"),
        ([component("48005-3", valueString="p.Arg132His")], None),
        ([], None),
    ],
)
def test_the_consequence_of_a_small_change(components: list[dict[str, Any]], word: str | None) -> None:
    assert classification_of(of(*components)) == word


def test_the_partners_of_a_fusion_stand_in_its_name() -> None:
    assert list(partners(of(component("81290-9", valueString="BCR::ABL1")))) == ["BCR", "ABL1"]
