"""Numbers of a measurement in one unit: converted or left out and counted, bounds never taken for values."""

from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from protocols.core.errors import SpecError
from protocols.core.study import Study
from protocols.core.variables import Measurement
from site_node.study_table.build import Built, build_table
from tests.lib.fhir_resources import PATIENT, condition, loads, observation_of
from tests.lib.studies import a_study

PULSE = {"kind": "measurement", "concept": "LOINC:8867-4"}


def build(engine: Engine, *quantities: dict[str, Any], **variable: Any) -> Built:
    """The table of one person for each quantity."""
    for number, quantity in enumerate(quantities):
        about = {"subject": {"reference": f"Patient/p{number}"}}
        measured = observation_of(**about, effectiveDateTime="2015-06-11", valueQuantity=quantity)
        named = ((one, f"{one['resourceType']}{number}") for one in (condition(**about), measured))
        loads(engine, {**PATIENT, "id": f"p{number}"}, *({**one, "id": name} for one, name in named))
    return build_table(engine, a_study(variables={"age": {"kind": "age"}, "x": {**PULSE, **variable}}), "a")


def values(built: Built) -> list[float]:
    return sorted(built.table.columns["x"][~np.isnan(built.table.columns["x"])].tolist())


def quantity(value: float, unit: str | None = None, **more: Any) -> dict[str, Any]:
    return {"value": value, **({"code": unit} if unit else {}), **more}


def test_what_does_not_convert_is_left_out_and_counted(engine: Engine) -> None:
    found = build(
        engine,
        *(
            quantity(70, "kg"),
            quantity(100, "[lb_av]"),
            quantity(60, "cm"),
            quantity(80),
            quantity(9, "stone"),
        ),
        unit="kg",
    )
    assert values(found) == pytest.approx([45.359237, 70])
    assert found.doubts == {"x": {"unit-unknown": 2, "unit-missing": 1}}


def test_one_unit_in_several_spellings_needs_no_name(sqlite_engine: Engine) -> None:
    found = build(sqlite_engine, quantity(70, "mm[Hg]"), quantity(80, "mmHg"), quantity(90))
    assert values(found) == [70, 80]
    assert found.doubts == {"x": {"unit-missing": 1}}


def test_counts_need_no_unit(sqlite_engine: Engine) -> None:
    assert values(build(sqlite_engine, quantity(70, "{score}"), quantity(80, "1"), quantity(90))) == [
        70,
        80,
        90,
    ]


def test_numbers_without_any_unit_stay(sqlite_engine: Engine) -> None:
    assert values(build(sqlite_engine, quantity(70), quantity(80))) == [70, 80]


def test_several_units_are_refused_where_the_study_names_none(engine: Engine) -> None:
    with pytest.raises(SpecError, match="several units"):
        build(engine, quantity(70, "kg"), quantity(70000, "g"))


def test_a_unit_outside_of_the_window_does_not_matter(sqlite_engine: Engine) -> None:
    """The two are in different units, and the second is not asked for."""
    window = {"from_days": 0, "to_days": 1}
    build(sqlite_engine, quantity(70, "kg"))
    late = observation_of(id="late", effectiveDateTime="2016-06-11", valueQuantity=quantity(7, "g"))
    loads(sqlite_engine, {**late, "subject": {"reference": "Patient/p0"}})
    study = a_study(variables={"age": {"kind": "age"}, "x": {**PULSE, "window": window}})
    assert values(build_table(sqlite_engine, study, "a")) == [70]


def test_a_unit_that_is_none_refuses_the_study(sqlite_engine: Engine) -> None:
    with pytest.raises(SpecError, match="not a unit of UCUM"):
        build(sqlite_engine, quantity(70, "kg"), quantity(1, "g"), unit="kilo")


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (None, [5]),
        ("leave_out", [5]),
        ("half", [0.05, 0.1, 5]),
        ("limit", [0.1, 0.2, 5, 300, 400]),
    ],
)
def test_a_bound_becomes_what_the_variable_says(
    engine: Engine, policy: str | None, found: list[float]
) -> None:
    """Half of a limit stands for what is below it; what is above one is left out then."""
    bounds = [(0.1, "<"), (0.2, "<="), (300, ">"), (400, ">="), (7, "ad")]
    more = {} if policy is None else {"comparator": policy}
    built = build(engine, quantity(5), *(quantity(value, comparator=sign) for value, sign in bounds), **more)
    assert values(built) == found
    assert built.doubts == {"x": {"comparator": 5}}


def test_a_variable_without_the_new_fields_is_written_as_before() -> None:
    """The hash of a study from before them, which is its name for approvals, stays."""
    plain = Measurement.model_validate(PULSE)
    assert set(plain.model_dump(mode="json")) == {"kind", "concept", "pick", "window"}
    named = Measurement.model_validate({**PULSE, "unit": "kg", "comparator": "half"})
    assert named.model_dump(mode="json")["unit"] == "kg"
    study = a_study(variables={"age": {"kind": "age"}, "x": {**PULSE, "unit": "kg"}})
    assert Study.model_validate_json(study.canonical()) == study


def test_whether_it_was_measured_is_about_the_result_and_not_its_number(engine: Engine) -> None:
    """A bound and a number of another unit are results that the number of the variable leaves out."""
    recorded = (quantity(70, "kg"), quantity(0.1, "kg", comparator="<"), quantity(9, "stone"))
    build(engine, *recorded, unit="kg")
    empty = observation_of(id="empty", effectiveDateTime="2015-06-11", valueQuantity=None)
    absent = {key: value for key, value in empty.items() if value is not None}
    loads(
        engine,
        {**PATIENT, "id": "p3"},
        {**condition(subject={"reference": "Patient/p3"}), "id": "c3"},
        {**absent, "subject": {"reference": "Patient/p3"}},
    )
    measured = {"kind": "measured", "concept": PULSE["concept"]}
    late = {**measured, "window": {"from_days": 10000, "to_days": 20000}}
    study = a_study(
        variables={"age": {"kind": "age"}, "x": {**PULSE, "unit": "kg"}, "done": measured, "late": late}
    )
    columns = build_table(engine, study, "a").table.columns
    assert sorted(columns["done"].tolist()) == [0, 1, 1, 1]
    assert int(np.isnan(columns["x"]).sum()) == 3
    assert columns["late"].tolist() == [0, 0, 0, 0]


def test_how_often_and_how_long_ago_it_was_measured_is_counted_in_days(engine: Engine) -> None:
    """Two results of a day are one day of it; who has none has a count of 0 and no gap."""
    about = {"subject": {"reference": "Patient/p"}}
    days = ("2015-05-01", "2015-05-01", "2015-05-11", "2015-06-10", "2015-07-01")
    seen = [
        observation_of(**about, id=f"o{n}", effectiveDateTime=day, valueQuantity=quantity(60 + n))
        for n, day in enumerate(days)
    ]
    index = {**condition(**about), "id": "c", "onsetDateTime": "2015-06-20"}
    loads(engine, {**PATIENT, "id": "p"}, index, *seen)
    other = {"subject": {"reference": "Patient/q"}}
    loads(engine, {**PATIENT, "id": "q"}, {**condition(**other), "id": "d", "onsetDateTime": "2015-06-20"})
    asked = {
        "days": {"kind": "count"},
        "gap": {"kind": "interval"},
        "gap_before": {"kind": "interval", "window": {"to_days": 0}},
        "ago": {"kind": "days_since_last"},
    }
    concept = {"concept": PULSE["concept"]}
    study = a_study(variables={"age": {"kind": "age"}, **{n: {**k, **concept} for n, k in asked.items()}})
    columns = build_table(engine, study, "a").table.columns
    assert sorted(columns["days"].tolist()) == [0, 4]
    assert [np.nanmax(columns[name]) for name in ("gap", "gap_before", "ago")] == [
        pytest.approx(61 / 3),
        20,
        10,
    ]
    assert all(np.isnan(columns[name]).sum() == 1 for name in ("gap", "gap_before", "ago"))


def test_days_since_the_last_result_look_back_alone() -> None:
    with pytest.raises(ValueError, match="to_days 0 or less"):
        a_study(variables={"x": {**PULSE, "kind": "days_since_last", "window": {"to_days": 5}}})
