"""The components of a genomics-reporting Observation, by their codes: concepts, texts and numbers."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator

from cdm.etl.record import Body

LOINC = "http://loinc.org"
NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(%|)\s*")
PERCENT = ("%", "percent", "pct")


class Components:
    """The components of one observation; one code may stand in several of them."""

    def __init__(self, observation: Body) -> None:
        self._of: defaultdict[str, list[Body]] = defaultdict(list)
        for component in observation.get("component") or ():
            for coding in (component.get("code") or {}).get("coding") or ():
                code, system = coding.get("code"), coding.get("system") or ""
                if code and (system == LOINC or "genomics-reporting" in system or not system):
                    self._of[code].append(component)

    def codings(self, code: str) -> Iterator[Body]:
        """All codings of the concepts that answer the code; a concept without any is its text as display."""
        for component in self._of.get(code, ()):
            concept = component.get("valueCodeableConcept") or {}
            codings = concept.get("coding") or ()
            yield from codings
            if not codings and concept.get("text"):
                yield {"display": concept["text"]}

    def words(self, code: str) -> Iterator[str]:
        """Codes and displays of all answers to the code."""
        for coding in self.codings(code):
            yield from (str(coding[part]) for part in ("code", "display") if coding.get(part))

    def text(self, code: str) -> str | None:
        """The first answer as a text: a string, a concept's display or, as HGVS stands there, its code."""
        for component in self._of.get(code, ()):
            if "valueString" in component:
                return str(component["valueString"])
        for coding in self.codings(code):
            text = coding.get("display") or coding.get("code")
            if text:
                return str(text)
        return None

    def number(self, code: str) -> float | None:
        """The first answer as a number, in the unit that it has."""
        return next((number for number, _ in self._numbers(code)), None)

    def fraction(self, code: str) -> float | None:
        """The first answer as a fraction, of UCUM's `%` too; None where that is a bound, or not 0 to 1.

        A text such as `34%` and a ratio of two numbers are answers too.
        """
        if any((one.get("valueQuantity") or {}).get("comparator") for one in self._of.get(code, ())):
            return None
        for number, unit in (*self._numbers(code), *self._texts(code), *self._ratios(code)):
            fraction = number / 100 if unit in PERCENT else number
            is_ratio = unit in ("", "1", *PERCENT) or unit.startswith("{")
            return fraction if is_ratio and 0 <= fraction <= 1 else None
        return None

    def _numbers(self, code: str) -> Iterator[tuple[float, str]]:
        for component in self._of.get(code, ()):
            quantity = component.get("valueQuantity") or {}
            value = quantity.get("value", component.get("valueInteger"))
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield float(value), str(quantity.get("code") or quantity.get("unit") or "").strip().lower()

    def has(self, code: str) -> bool:
        """Whether there is a component of the code."""
        return bool(self._of.get(code))

    def _texts(self, code: str) -> Iterator[tuple[float, str]]:
        for component in self._of.get(code, ()):
            found = NUMBER.fullmatch(str(component.get("valueString") or ""))
            if found:
                yield float(found[1]), found[2].lower()

    def _ratios(self, code: str) -> Iterator[tuple[float, str]]:
        for component in self._of.get(code, ()):
            ratio = component.get("valueRatio") or {}
            above, below = (ratio.get(part) or {} for part in ("numerator", "denominator"))
            numbers = above.get("value"), below.get("value")
            if all(isinstance(one, (int, float)) and one >= 0 for one in numbers) and numbers[1]:
                is_bound = above.get("comparator") or below.get("comparator")
                yield (math.nan if is_bound else numbers[0] / numbers[1]), ""

    def interval(self, code: str) -> tuple[int, int] | None:
        """The ends of a range, or of a single place twice."""
        for component in self._of.get(code, ()):
            stated = component.get("valueRange") or {}
            low = (stated.get("low") or {}).get("value", component.get("valueInteger"))
            high = (stated.get("high") or {}).get("value", low)
            if isinstance(low, (int, float)) and isinstance(high, (int, float)) and low <= high:
                return int(low), int(high)
        return None
