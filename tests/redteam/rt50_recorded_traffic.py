"""RT50: who recorded a run's traffic takes a site's folder later, and opens that site's part of the sums."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from protocols.core.table import AnalysisTable
from protocols.exchange.envelope import WireError, digest
from protocols.exchange.secure_sum import CHECK, Member
from protocols.exchange.start import Beginning
from protocols.exchange.wire import RoundAnswer, RoundQuestion, Sent
from site_node.governance import starts
from site_node.home.register import register
from tests.lib.agents import Agents, Message, Relayed
from tests.lib.lying_coordinator import weaken
from tests.lib.studies import a_study_of
from tests.redteam.attack import Figure, attack

SPEC = {"protocol": "associate", "model": "logistic", "features": ["x"], "outcomes": ["y"]}


def _tables() -> dict[str, AnalysisTable]:
    draw, found = np.random.default_rng(50), {}
    for i, site in enumerate("abc"):
        x, u = draw.normal(size=(2, 60))
        columns = {"x": x, "y": (x + u > 0).astype(float)}
        found[site] = AnalysisTable(site, 1000 * i + np.arange(60), columns)
    return found


def _stolen(home: Path) -> Iterator[X25519PrivateKey]:
    """Every masking key in a site's folder, of whatever age, with all that the folder has to decrypt it."""
    key = load_pem_private_key((home / "keys" / "masking.key").read_bytes(), None)
    assert isinstance(key, X25519PrivateKey)
    yield key
    with register(home) as db:
        parts = [row["part"] for row in db.execute("SELECT part FROM run_start") if row["part"] is not None]
    for file in home.glob("run/starts/*.key"):
        for part in parts:
            with suppress(InvalidTag):
                yield Beginning.of_bytes(
                    ChaCha20Poly1305(file.read_bytes()).decrypt(bytes(12), part, None)
                ).key


def _opens(key: X25519PrivateKey, site: str, question: RoundQuestion, said: Sent, position: int) -> bool:
    """Whether a key takes the masks off what a site said: the masked zeros of the check are zeros then."""
    with suppress(WireError):
        member = Member(site, key, question.keys, question.keys)
        nothing = {name: np.zeros(array.shape[:-1]) for name, array in said.items() if name != CHECK}
        mask = member.mask(nothing, digest(question.encode()), position)
        return bool(np.array_equal(said[CHECK], mask[CHECK]))
    return False


@attack(
    "RT50",
    "recorded sums of a finished run, opened with all keys in a site's folder",
    works_from=4,
    slow=True,
)
def recorded_traffic(folder: Path, weakened: bool) -> Figure:
    agents = Agents(folder, a_study_of(["x", "y"], {"name": "model", "spec": SPEC}), _tables())
    questions: list[RoundQuestion] = []
    answers: list[RoundAnswer] = []

    def recorded(question: RoundQuestion, relayed: Relayed) -> Message:
        questions.append(question)
        if question.round:
            answers.append(RoundAnswer.decode(relayed["a"][64:]))
        return question, relayed

    with weaken(starts, "erase", lambda *_: None, weakened):
        agents.run(recorded)
    answers.append(RoundAnswer.decode(agents.replies["a"][64:]))
    keys = list(_stolen(agents.homes["a"]))
    opened = sum(
        any(_opens(key, "a", question, said, position) for key in keys)
        for question, answer in zip(questions, answers, strict=True)
        for position, said in enumerate(answer.answers)
        if isinstance(said, dict)
    )
    return Figure(opened, f"of {sum(len(answer.answers) for answer in answers)} parts of a site opened")
