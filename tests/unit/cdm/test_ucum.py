"""Units by UCUM: the factors are those of its own definitions (https://ucum.org/ucum, tables 1 to 19).

Of 75 pairs, ucumvert 0.3.2 with pint 0.25.3 agrees wherever it converts by size alone; where it does not,
this test says why: it takes arbitrary units, equivalents and high power fields for plain numbers,
`g/(12.h)` for 24 g/d instead of 2, and cannot read an annotation that stands alone.
"""

import pytest

from cdm.vocabulary.ucum import conversion, parse


@pytest.mark.parametrize(
    ("unit", "to", "value", "found"),
    [
        ("[lb_av]", "kg", 154.3, 69.98930269),
        ("g", "kg", 70000, 70),
        ("[oz_av]", "g", 1, 28.349523125),
        ("[in_i]", "cm", 70, 177.8),
        ("[ft_i]", "[in_i]", 5, 60),
        ("[degF]", "Cel", 98.6, 37),
        ("K", "Cel", 310.15, 37),
        ("Cel", "[degF]", 37, 98.6),
        ("mg/dL", "g/L", 100, 1),
        ("ng/mL", "ug/L", 3, 3),
        ("10*3/uL", "10*9/L", 5, 5),
        ("/uL", "10*9/L", 5000, 5),
        ("10^6/uL", "10*12/L", 4.5, 4.5),
        ("%", "1", 50, 0.5),
        ("mm[Hg]", "kPa", 120, 15.99864),
        ("cm[H2O]", "Pa", 10, 980.665),
        ("U/L", "ukat/L", 60, 1),
        ("kU/L", "U/L", 1, 1000),
        ("[IU]/L", "m[iU]/mL", 5, 5),
        ("mmol/L", "umol/dL", 1, 100),
        ("g/(12.h)", "g/d", 1, 2),
        ("mg/(kg.d)", "ug/kg/h", 24, 1000),
        ("mL/min/{1.73_m2}", "L/h", 100, 6),
        ("mg/dL{eq}", "mg/dL", 3, 3),
        ("mo", "a", 6, 0.5),
        ("{score}", "{points}", 60, 60),
        ("{score}", "1", 60, 60),
        ("lbs", "kg", 1, 0.45359237),
        ("mmHg", "mm[Hg]", 3, 3),
        ("µg/L", "ng/mL", 3, 3),
        ("[CFU]/mL", "[CFU]/L", 1, 1000),
    ],
)
def test_a_number_goes_from_one_unit_into_another(unit: str, to: str, value: float, found: float) -> None:
    way = conversion(unit, to)
    assert way is not None
    assert way(value) == pytest.approx(found, rel=1e-9)
    back = conversion(to, unit)
    assert back is not None
    assert back(found) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize(
    ("unit", "to"),
    [
        ("mmol/L", "mg/dL"),  # takes a molar mass
        ("meq/L", "mmol/L"),  # takes a valence
        ("mmol/mol", "%"),  # HbA1c of IFCC and of NGSP are not one number in two units
        ("[USP'U]", "[iU]"),
        ("[iU]/L", "U/L"),
        ("/[HPF]", "/[LPF]"),
        ("{score}", "%"),
        ("kg", "cm"),
        ("Gy", "Sv"),
        ("C", "Cel"),  # coulomb
        ("[pH]", "mol/L"),
        ("ug/24.h", "mg/d"),  # by UCUM's grammar (ug/24)*h
    ],
)
def test_what_does_not_convert_is_told(unit: str, to: str) -> None:
    assert conversion(unit, to) is None


@pytest.mark.parametrize("text", ["", "foo", "mg/", "kg)", "(kg", "mg//dL", "dB", "m g", "10*x", "[", "{"])
def test_a_text_that_is_no_unit(text: str) -> None:
    assert parse(text) is None
