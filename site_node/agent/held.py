"""What an answer would let out, for the people who look at it and for the audit."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from protocols.core.disclosure import Release
from protocols.core.errors import Code
from protocols.core.protocol import Ask, protocol
from protocols.core.study import Study
from protocols.exchange.wire import RoundQuestion
from site_node.governance import holds
from site_node.governance.holds import HeldArray, HeldPart

Said = Release | Code
"""A question's release, or the code with which this site withholds it."""


def keep_for_people(
    home: Path,
    study: Study,
    question: RoundQuestion,
    asked: str,
    sealed: bytes,
    said: Iterable[Said],
    people: int,
) -> None:
    """Keeps a sealed answer, with this site's own part of each sum as it was before the mask."""
    pairs = list(zip(question.asks, said, strict=True))
    parts = [_part(study, ask, one, masked=bool(question.keys)) for ask, one in pairs]
    left = [left_by(ask, one) for ask, one in pairs]
    holds.keep(home, question, asked, sealed, parts=parts, left=left, people=people)


def left_by(ask: Ask, said: Said) -> dict[str, Any]:
    """What one question let out, in names and shapes."""
    where = ".".join((ask.analysis, *ask.part, ask.step))
    if isinstance(said, Code):
        return {"question": where, "code": str(said)}
    arrays = {name: list(array.shape) for name, array in said.arrays.items()}
    return {"question": where, "way": said.way, "arrays": arrays}


def _part(study: Study, ask: Ask, said: Said, *, masked: bool) -> HeldPart:
    where = ".".join((ask.analysis, *ask.part, ask.step))
    if isinstance(said, Code):
        return HeldPart(where, "withheld", str(said), ())
    declares = protocol(study.spec(ask.analysis, ask.part).protocol).steps[ask.step].declares
    what = {name: declared.what for name, declared in declares.items()}
    arrays = (HeldArray(name, what.get(name, name), array) for name, array in said.arrays.items())
    return HeldPart(where, _way(ask, said, masked=masked), "", tuple(arrays))


def _way(ask: Ask, said: Release, *, masked: bool) -> str:
    """How these numbers would leave, in words."""
    if said.way == "agreed":
        return "the same from every site: what the search found"
    if said.way == "clear":
        return "in the clear, for this site"
    masks = "masked" if masked else "in the clear to the coordinator"
    hidden = {"climb": ", in a basis that only the sites know", "sealed": ", which only the sites open"}
    hidden["last"] = ", for the center alone"
    return f"this site's part of a sum over sites, {masks}{hidden.get(ask.secret, '')}"
