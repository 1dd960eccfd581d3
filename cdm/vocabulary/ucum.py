"""Units as UCUM writes them, and the way from one to another.

    conversion("[lb_av]", "kg")(154.3)      # 69.99
    conversion("mg/dL", "mmol/L")           # None: that takes a molar mass
    conversion("[iU]/L", "U/L")             # None: arbitrary units are units of their own procedure

The grammar is UCUM's (https://ucum.org/ucum, version 2.2, sections 1 to 3), in its case-sensitive form; the
table holds what laboratories and wards use. Of prefixes above kilo it takes those that occur there (MBq, MPa,
GJ): `Mg` and `Pg` are a milligram and a picogram in capitals wherever they are met, and not 1e9 and 1e27 of
them. Moles, equivalents, osmoles and arbitrary units are separate
dimensions: UCUM counts a mole as a number, by which 48 mmol/mol would be 4.8 %. Logarithmic units
are left out.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

Dimensions = tuple[tuple[str, int], ...]


class Unit(NamedTuple):
    """value * factor + offset is the number in the base units; `is_count` is a unit of annotations alone."""

    factor: Fraction
    dimensions: Dimensions
    offset: Fraction = Fraction(0)
    is_count: bool = False


PREFIXES = {
    **{"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1},
    **{"d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24},
}
# unit -> (how many, of what); "" is a number. Those of METRIC take prefixes.
ATOMS: dict[str, tuple[str, str]] = {
    "10*": ("10", ""),
    "10^": ("10", ""),
    "%": ("0.01", ""),
    "[ppth]": ("0.001", ""),
    "[ppm]": ("1e-6", ""),
    "[ppb]": ("1e-9", ""),
    "Hz": ("1", "s-1"),
    "N": ("1000", "g.m.s-2"),
    "Pa": ("1000", "g.m-1.s-2"),
    "J": ("1000", "g.m2.s-2"),
    "W": ("1000", "g.m2.s-3"),
    "A": ("1", "C.s-1"),
    "V": ("1000", "g.m2.s-2.C-1"),
    "kat": ("1", "mol.s-1"),
    "U": ("1e-6", "mol.min-1"),
    "l": ("0.001", "m3"),
    "L": ("0.001", "m3"),
    "min": ("60", "s"),
    "h": ("3600", "s"),
    "d": ("86400", "s"),
    "wk": ("7", "d"),
    "a": ("365.25", "d"),
    "mo": ("30.4375", "d"),
    "t": ("1e6", "g"),
    "bar": ("1e5", "Pa"),
    "atm": ("101325", "Pa"),
    "m[Hg]": ("133322", "Pa"),
    "m[H2O]": ("9806.65", "Pa"),
    "cal": ("4.184", "J"),
    "[Cal]": ("4184", "J"),
    "[in_i]": ("0.0254", "m"),
    "[ft_i]": ("0.3048", "m"),
    "[yd_i]": ("0.9144", "m"),
    "[mi_i]": ("1609.344", "m"),
    "[lb_av]": ("453.59237", "g"),
    "[oz_av]": ("28.349523125", "g"),
    "[stone_av]": ("6350.29318", "g"),
    "[gr]": ("0.06479891", "g"),
    "[foz_us]": ("29.5735295625e-6", "m3"),
    "[tbs_us]": ("14.78676478125e-6", "m3"),
    "[tsp_us]": ("4.92892159375e-6", "m3"),
    "[gal_us]": ("3785.411784e-6", "m3"),
    "[pt_us]": ("473.176473e-6", "m3"),
    "[drp]": ("0.05e-6", "m3"),
    "deg": ("0.017453292519943295", "rad"),
}
BASE = ("m", "s", "g", "K", "C", "cd", "rad", "mol", "eq", "osm", "Bq", "Gy", "Sv")
METRIC = {
    *BASE,
    "Hz",
    "N",
    "Pa",
    "J",
    "W",
    "A",
    "V",
    "kat",
    "U",
    "l",
    "L",
    "t",
    "bar",
    "m[Hg]",
    "m[H2O]",
    "cal",
}
METRIC |= {"[Cal]", "a"}
LARGE = ("Y", "Z", "E", "P", "T", "G", "M")  # prefixes that need a unit of which so much is met
MUCH = {"Hz", "N", "Pa", "J", "W", "V", "Bq", "U", "[iU]", "bar", "cal", "[Cal]"}
OWN = ("mol", "eq", "osm")
TEMPERATURES = {"Cel": ("1", "273.15"), "[degF]": ("5/9", "45967/180"), "K": ("1", "0")}
SAME = {"[IU]": "[iU]", "cal_th": "cal", "Kel": "K"}
# Not UCUM, and clear all the same. C and F are coulomb and farad there, and stay so.
SPELLINGS = {
    **{
        "lb": "[lb_av]",
        "lbs": "[lb_av]",
        "oz": "[oz_av]",
        "in": "[in_i]",
        "inch": "[in_i]",
        "inches": "[in_i]",
    },
    **{"°C": "Cel", "degC": "Cel", "°F": "[degF]", "degF": "[degF]", "mmHg": "mm[Hg]", "mm Hg": "mm[Hg]"},
    **{"cc": "cm3", "mcg": "ug", "IU/L": "[iU]/L", "IU/mL": "[iU]/mL", "mIU/L": "m[iU]/L", "kgs": "kg"},
    **dict.fromkeys(("Kg", "KG", "Kgs", "KGS", "kilogram", "kilograms"), "kg"),
    **dict.fromkeys(("gram", "grams", "gm", "gms"), "g"),
    **dict.fromkeys(("pound", "pounds", "LB", "LBS", "Lbs", "lb_av"), "[lb_av]"),
    **dict.fromkeys(("ounce", "ounces"), "[oz_av]"),
    **{"years": "a", "year": "a", "months": "mo", "weeks": "wk", "days": "d", "hours": "h"},
}
TOKEN = re.compile(r"\{[^{}]*\}|[()./]|(?:\[[^\[\]]+\]|[^\[\](){}./\s])+")
SIMPLE = re.compile(r"(10[*^]|.*?[^0-9+-])([+-]?[0-9]{1,2})?")


def conversion(unit: str, to: str) -> Callable[[float], float] | None:
    """What turns a number of one unit into the number of the other; None where there is no such way.

    Annotations (`mg/dL{eq}`) say nothing of the size. A unit that is nothing else (`{score}`) is a number of
    something: it goes into `1` and other such units, not into %.
    """
    one, other = parse(unit), parse(to)
    if one is None or other is None or one.dimensions != other.dimensions:
        return None
    if one.is_count != other.is_count and not (one.factor == other.factor == 1):
        return None
    factor, offset = one.factor / other.factor, (one.offset - other.offset) / other.factor
    if factor == 1 and offset == 0:
        return lambda value: value
    return lambda value: float(Fraction(value) * factor + offset)


@lru_cache(maxsize=4096)
def parse(text: str) -> Unit | None:
    """The unit that a text is in UCUM, or in one of the few other spellings that are clear; None for none."""
    plain = text.strip().replace("µ", "u").replace("μ", "u")
    plain = SPELLINGS.get(plain, plain)
    if plain in TEMPERATURES:
        factor, offset = map(Fraction, TEMPERATURES[plain])
        return Unit(factor, (("K", 1),), offset)
    tokens = TOKEN.findall(plain)
    if not tokens or "".join(tokens) != plain:
        return None
    try:
        factor, dimensions = _term(tokens)
    except (LookupError, ValueError):
        return None
    if tokens:
        return None
    # mol/mol is not a plain number either: the power of 0 stays.
    kept = tuple(sorted((name, power) for name, power in dimensions.items() if power or name in OWN))
    return Unit(factor, kept, is_count=re.sub(r"\{[^{}]*\}", "", plain) == "")


Size = tuple[Fraction, dict[str, int]]


def _term(tokens: list[str]) -> Size:
    """The size of `component (. or /) component …`, which it takes off the tokens."""
    divides = tokens[0] == "/"
    if divides:
        tokens.pop(0)
    found = _times((Fraction(1), {}), _component(tokens), -1 if divides else 1)
    while tokens and tokens[0] in "./":
        sign = -1 if tokens.pop(0) == "/" else 1
        found = _times(found, _component(tokens), sign)
    return found


def _component(tokens: list[str]) -> Size:
    token = tokens.pop(0)
    if token == "(":
        found = _term(tokens)
        if tokens.pop(0) != ")":
            raise ValueError
        return found
    if token.startswith("{"):
        return Fraction(1), {}
    if tokens and tokens[0].startswith("{"):
        tokens.pop(0)
    if token.isdigit():
        return Fraction(int(token)), {}
    match = SIMPLE.fullmatch(token)
    if match is None:
        raise ValueError
    return _times((Fraction(1), {}), _atom(match[1]), int(match[2] or 1))


def _atom(name: str) -> Size:
    """The size of a unit with or without a prefix.

    Raises:
        KeyError: UCUM has none of that name, or this table.
    """
    name = SAME.get(name, name)
    if name in ATOMS:
        factor, of = ATOMS[name]
        size, dimensions = _term(TOKEN.findall(of)) if of else (Fraction(1), {})
        return Fraction(factor) * size, dimensions
    if name in BASE or (name.startswith("[") and name.endswith("]")):
        return Fraction(1), {name: 1}
    for length in (1, 2):
        prefix, rest = name[:length], SAME.get(name[length:], name[length:])
        if prefix in LARGE and rest not in MUCH:
            continue
        if prefix in PREFIXES and (rest in METRIC or rest.startswith("[")):
            size, dimensions = _atom(rest)
            return Fraction(10) ** PREFIXES[prefix] * size, dimensions
    raise KeyError(name)


def _times(one: Size, other: Size, power: int) -> Size:
    dimensions = dict(one[1])
    for name, exponent in other[1].items():
        dimensions[name] = dimensions.get(name, 0) + exponent * power
    return one[0] * other[0] ** power, dimensions
