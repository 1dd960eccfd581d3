"""Numbers as files write them: `float` of Python also reads `1_5` as 15, and the digits of other scripts."""

import math
import re

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def number_of(text: str) -> float | None:
    """The finite number that a cell holds, with a decimal point; None where it holds none."""
    text = text.strip()
    if not NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def count_of(text: str) -> int | None:
    """The whole number from 0 on that a cell holds, which pandas writes as 12.0; None where it holds none."""
    number = number_of(text)
    return int(number) if number is not None and number.is_integer() and 0 <= number < 1e9 else None
