"""What people read of answers that wait for review."""

from typing import Any

import numpy as np

from protocols.core.disclosure import Array
from site_node.actions.held import HeldAnswers, Reviewed
from site_node.governance.holds import HeldAnswer, HeldPart

Row = dict[str, Any]

MOST_NUMBERS = 60
"""Numbers of one array that are written out; of a longer one how many they are and how far they reach."""


def listed(found: HeldAnswers) -> list[Row]:
    """One row per answer."""
    return [
        {
            "answer": one.id,
            "study": found.names[one.study],
            "round": one.round,
            "held since": one.held_at.isoformat()[:16],
            "questions": len(one.parts),
            "let go by": _people(one),
        }
        for one in found.answers
    ]


def answer(view: Reviewed) -> Row:
    """What would leave, question by question, in words and numbers."""
    one = view.answer
    return {
        "answer": one.id,
        "study": view.study,
        "round": one.round,
        "state": str(one.state),
        "let go by": _people(one),
        **{part.question: _part(part) for part in one.parts},
    }


def decision(view: Reviewed) -> Row:
    """Where an answer stands after a decision."""
    one = view.answer
    return {"answer": one.id, "study": view.study, "state": str(one.state), "let go by": _people(one)}


def _people(one: HeldAnswer) -> str:
    names = ", ".join(one.released_by) or "nobody"
    return f"{names} ({len(one.released_by)} of {one.people_needed})"


def _part(part: HeldPart) -> Row:
    if part.code:
        return {"leaves": f"nothing: {part.code}"}
    return {"leaves": part.way} | {
        f"{one.name}: {one.what}": numbers_in_words(one.numbers) for one in part.arrays
    }


def numbers_in_words(numbers: Array) -> str:
    """The numbers of an array to six digits, row by row; of a long one its shape and what it spans."""
    if numbers.size > MOST_NUMBERS:
        shape = " x ".join(map(str, numbers.shape))
        known = numbers[np.isfinite(numbers)]
        span = f"{known.min():.6g} to {known.max():.6g}" if known.size else "none withheld"
        return f"{shape} numbers, {span}; all of them with --json"
    if not numbers.size:
        return "no numbers"
    rows = numbers.reshape(-1, numbers.shape[-1] if numbers.ndim else 1)
    return "; ".join(" ".join(f"{number:.6g}" for number in row) for row in rows)
