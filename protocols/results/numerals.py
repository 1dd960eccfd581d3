"""Numbers as people read them, alike in figures and on pages."""

import math

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "−"


def shown(value: float) -> str:
    """A number in about four significant digits, tiny and huge ones in powers of ten; "–" where not known.

    >>> shown(0.04567), shown(12.345), shown(1.2e-7), shown(-3.0), shown(float("nan"))
    ('0.046', '12.3', '1.2 × 10⁻⁷', '−3.00', '–')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    if value == 0:
        return "0"
    if abs(value) < 1e-3 or abs(value) >= 1e6:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa} × 10{str(int(exponent)).translate(_SUPERSCRIPT)}".replace("-", MINUS)
    digits = max(0, 3 - len(str(int(abs(value))))) if abs(value) >= 1 else 3
    return f"{value:.{digits}f}".replace("-", MINUS)


def shown_p(value: float) -> str:
    """A p-value for running text: "p = 0.012" or "p < 0.001"."""
    if math.isnan(value):
        return "p not known"
    return "p < 0.001" if value < 1e-3 else f"p = {value:.3f}"


def shown_interval(low: float, high: float) -> str:
    """An interval as "0.8 to 1.2"; "–" where it is not known."""
    return "–" if math.isnan(low) or math.isnan(high) else f"{shown(low)} to {shown(high)}"


def shown_tick(value: float) -> str:
    """A number at an axis' tick: no needless digits."""
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        return shown(value)
    return f"{value:.10g}".replace("-", MINUS)


def shown_count(value: int) -> str:
    """A whole number with narrow spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")
