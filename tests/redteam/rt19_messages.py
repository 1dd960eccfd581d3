"""RT19, RT21, RT57, RT59: messages that differ a little, or by site, or say more than they show."""

import math
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from protocols.core.errors import ShadowgraphError
from protocols.core.grid import on_grid
from protocols.core.protocol import Ask
from protocols.core.table import Floats
from protocols.exchange import envelope
from protocols.exchange.envelope import WireError, pack, unpack, unseal
from protocols.exchange.secure_sum import Member, unmask
from protocols.exchange.wire import RoundAnswer, RoundQuestion, RoundReply
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.attacked_site import Obedient
from tests.lib.lying_coordinator import drawn, weaken
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

SPEC = {
    "protocol": "associate",  # its questions bear coefficients; those of climbs and sealed searches bear none
    "model": "logistic",
    "features": ["x"],
    "outcomes": ["y"],
}
STUDY = a_study_of(["x", "y"], {"name": "a", "spec": SPEC})


def _columns(draw: np.random.Generator, people: int) -> dict[str, Floats]:
    x = draw.normal(size=people)
    return {"x": x, "y": (draw.uniform(size=people) < 1 / (1 + np.exp(-x))).astype(float)}


TABLES = drawn(_columns, 60)


def _agents(folder: Path, obedient: bool) -> Agents:
    agents = Agents(folder, STUDY, TABLES)
    for site, agent in agents.agents.items() if obedient else ():
        agent.conductor = Obedient(agents.homes[site], site, agent.conductor.key)
    return agents


def _answered(agents: Agents) -> int:
    """How many sites gave numbers to the last message."""
    found = 0
    for site, reply in agents.replies.items():
        try:
            RoundAnswer.decode(unseal(reply, agents.agents[site].conductor.key, "answer"))
            found += 1
        except WireError:
            pass
    return found


def _with_coef(change: Callable[[Floats], Floats]) -> Callable[[RoundQuestion, Relayed], Message]:
    """A coordinator who changes the coefficients of the third round."""

    def changed(question: RoundQuestion, relayed: Relayed) -> Message:
        if question.round != 2:
            return question, relayed
        asks = (replace(a, arrays={**a.arrays, "coef": change(a.arrays["coef"])}) for a in question.asks)
        return replace(question, asks=tuple(asks)), relayed

    return changed


MOVES: dict[str, Callable[[Floats], Floats]] = {
    "a billionth": lambda coef: coef * (1 + 1e-9),
    "off the grid": lambda coef: coef * (1 + 1e-15),
    "two steps of the grid": lambda coef: on_grid(coef * (1 + 3e-11)),
}


@attack(
    "RT57",
    "numbers of a question moved by a billionth, off the grid, by two of its steps",
    works_from=9,
    slow=True,
)
def moved_numbers(folder: Path, weakened: bool) -> Figure:
    got = 0
    for name, move in MOVES.items():
        agents = _agents(folder / name, weakened)
        with suppress(ShadowgraphError):
            agents.run(_with_coef(move))
        got += min(_answered(agents), 3)
    return Figure(got, f"of {3 * len(MOVES)} answers to moved questions")


@attack(
    "RT59", "one site is told that another site answered otherwise than the third one was told", works_from=3
)
def split_view(folder: Path, weakened: bool) -> Figure:
    agents = _agents(folder, weakened)

    def swapped(question: RoundQuestion, relayed: Relayed) -> Message:
        if question.round != 1:
            return question, relayed
        return question, {**relayed, "b": relayed["c"], "c": relayed["b"]}

    with suppress(ShadowgraphError):
        agents.run(swapped)
    return Figure(_answered(agents), "of 3 sites go on")


@attack(
    "RT21",
    "one site is asked at other coefficients: the difference of two sums is its own part",
    works_from=1,
)
def two_questions(folder: Path, weakened: bool) -> Figure:
    agents, sums = _agents(folder, True), []
    center, roster = agents.center, tuple(TABLES)
    center.start(STUDY, "r1", roster, {site: agent.handle for site, agent in agents.agents.items()})
    usual, other = np.zeros((1, 1, 2)), np.array([[[1.0, 0.0]]])
    stream = Member._stream

    def of_no_question(member: Member, peer: str, question: str, position: int, numbers: int) -> Any:
        return stream(member, peer, "", position, numbers)

    with weaken(Member, "_stream", of_no_question, weakened):
        for number, to_a in enumerate((usual, other)):
            sent = {}
            for site, agent in agents.agents.items():
                coef = to_a if site == "a" else usual
                ask = Ask(
                    "derivatives", {"coef": coef, "shift": np.zeros(1), "scale": np.ones(1)}, analysis="a"
                )
                question = RoundQuestion(STUDY.hash(), "r1", number, roster, (ask,))
                reply = agent.handle("round", center.question(question))
                sent[site] = RoundReply.decode(reply).open(agent.conductor.key).answers[0]
            try:
                sums.append(unmask(sent, {name: name == "n" for name in sent["a"] if name != "$check"}))
            except ShadowgraphError:
                return Figure(0, "of 1 site's own sum")
    part = (sums[0]["information"] - sums[1]["information"])[0, 0, 0, 1] / (0.25 - 1 / (2 + 2 * np.cosh(1)))
    return Figure(abs(part - TABLES["a"].column("x").sum()) < 1e-6, "of 1 site's own sum")


@attack(
    "RT19",
    "a thousand bits in what an answer need not say: signs of zeros, payloads of NaN, the order of names",
    works_from=1000,
    holds_to=64,
)
def hidden_bits(folder: Path, weakened: bool) -> Figure:
    zeros = [
        np.copysign(np.zeros(900), np.where(np.random.default_rng(s).uniform(size=900) < 0.5, -1, 1))
        for s in (1, 2)
    ]
    nans = [np.array([struct.unpack("<d", struct.pack("<Q", 0x7FF8 << 48 | k))[0]] * 3) for k in (1, 2**50)]
    names = [{"a": 1, "b": 2, "c": 3}, {"c": 3, "b": 2, "a": 1}]
    written = _as_it_is if weakened else pack
    bits = 900 * (written(zeros[0]) != written(zeros[1]))
    bits += 3 * 51 * (written(nans[0]) != written(nans[1]))
    bits += math.log2(6) * (written(names[0]) != written(names[1]))
    return Figure(bits, "bits in an answer of 903 numbers and 3 names")


def _as_it_is(value: Any) -> bytes:
    """What a writer sends that copies memory."""
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()


@attack(
    "RT19",
    "the same message in other bytes: spaces, other numbers' spellings, a tail, a name twice",
    works_from=4,
)
def other_spellings(folder: Path, weakened: bool) -> Figure:
    spellings = (b'{"a": 1}', b'{"a":1e0}', b'{"a":1,"a":1}', b'{"b":2,"a":1}')
    read = 0
    with weaken(envelope, "canonical_json", lambda content: spelling, weakened):
        for spelling in spellings:
            try:
                unpack(b"SGW1" + struct.pack("<I", len(spelling)) + spelling)
                read += 1
            except WireError:
                pass
    return Figure(read, f"of {len(spellings)} are read")
