"""What crosses the wire: the messages of a run, as the canonical bytes of `protocols.exchange.envelope`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, get_args

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from numpy.typing import NDArray

from protocols.core.disclosure import Array
from protocols.core.errors import Code
from protocols.core.protocol import Arrays, Ask, Secret, Transform
from protocols.core.table import Rows
from protocols.exchange.envelope import WireError, digest, pack, unpack, unseal

Limbs = NDArray[np.uint64]
"""(..., 2): the low and the high 64 bits of numbers modulo 2^128."""

Sent = Mapping[str, Array] | Mapping[str, Limbs]
"""What a site says to one question: arrays in the clear, or masked."""

SCHEMA_VERSION = 8
"""5 was the first in which a run has keys and chance of its own, 6 that of climbs in a secret basis. 7 is the
first in which all sites take one set of complete cases for a study that says nothing of it, ask cells coarse
first, and judge joint cells, 8 that in which enough people are left where one site takes its own part away.
No side speaks an older one: whoever carries messages could choose it."""


@dataclass(frozen=True)
class RoundQuestion:
    """All that is asked of every site in one round of a run: one message.

    Attributes:
        study: the study's hash.
        run: the run's name; a run has one roster from its first round to its last.
        round: counts from 0.
        roster: the sites that are asked, sorted.
        asks: the questions, in the order of the answers.
        keys: site -> its public masking key of this run in base64, for secure sums; empty for plain ones.
        previous: site -> the digest of its answer to the round before, in the first round of its opening.
            Sites that were shown different ones see it here.
        told: position among the questions of the round before -> the center's reply to the sites' climb
            there: arrays, or the code with which it ended.
    """

    study: str
    run: str
    round: int
    roster: tuple[str, ...]
    asks: tuple[Ask, ...]
    keys: Mapping[str, str] = field(default_factory=dict)
    previous: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[int, Arrays | Code] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return pack(
            {
                "schema_version": SCHEMA_VERSION,
                "study": self.study,
                "run": self.run,
                "round": self.round,
                "roster": list(self.roster),
                "keys": self.keys,
                "previous": self.previous,
                "told": {str(place): _said_as_data(told) for place, told in self.told.items()},
                "asks": [_ask_as_data(a) for a in self.asks],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The question of canonical bytes. Raises WireError."""
        kinds = {"study": str, "run": str, "round": int, "roster": list, "keys": dict, "asks": list}
        content = message_fields(data, kinds | {"previous": dict, "told": dict})
        try:
            asks = tuple(_ask_of_data(a) for a in content["asks"])
            roster = tuple(str(site) for site in content["roster"])
            keys, previous = (
                {str(site): str(text) for site, text in content[name].items()}
                for name in ("keys", "previous")
            )
            told = {int(place): _said_of_data(said) for place, said in content["told"].items()}
            where = content["study"], content["run"], content["round"], roster
            question = cls(*where, asks, keys, previous, told)
            if question.encode() != data:
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError):
            raise WireError(Code.MALFORMED_MESSAGE, "a question is malformed") from None
        return question


@dataclass(frozen=True)
class RoundMessage:
    """What a coordinator sends a site in one round: the question, and every site's answer to the one before.

    Attributes:
        question: the canonical bytes of a `RoundQuestion`.
        relayed: site -> its sealed answer to the round before, in the first round its sealed opening, whose
            digest the question bears.
    """

    question: bytes
    relayed: Mapping[str, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return pack(
            {
                "schema_version": SCHEMA_VERSION,
                "question": np.frombuffer(self.question, dtype=np.uint8),
                "relayed": {site: np.frombuffer(b, dtype=np.uint8) for site, b in self.relayed.items()},
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message of canonical bytes. Raises WireError."""
        content = message_fields(data, {"question": np.ndarray, "relayed": dict})
        try:
            message = cls(
                content["question"].tobytes(),
                {str(site): sealed.tobytes() for site, sealed in content["relayed"].items()},
            )
            if message.encode() != data:
                raise ValueError
        except (AttributeError, TypeError, ValueError):
            raise WireError(Code.MALFORMED_MESSAGE, "a round's message is malformed") from None
        return message


@dataclass(frozen=True)
class Apart:
    """An answer that goes to the center alone; the other sites see the digest that binds it.

    So goes that to a question of a climb, or to a last one.

    `arrays` is None where only the digest is known.
    """

    sha256: str
    arrays: Sent | None = field(default=None, compare=False)

    @classmethod
    def of(cls, arrays: Sent) -> Self:
        """The answer with its digest."""
        return cls(digest(pack(dict(arrays))), arrays)


Answered = Sent | Apart | Code


def as_sent(ask: Ask, sent: Sent) -> Answered:
    """What leaves in answer to a question: apart, where it is for the center alone."""
    return Apart.of(sent) if ask.secret in ("climb", "last") else sent


@dataclass(frozen=True)
class RoundAnswer:
    """What one site says in one round: for each question its released arrays, or a code.

    Attributes:
        question: the digest of the question's bytes, so that an answer fits one question only.
        audit: site -> head of its audit: the answering site's, and those that it keeps of the other sites.
        full: whether this site lets the result of each question bear all its digits.
    """

    study: str
    run: str
    round: int
    site: str
    question: str
    answers: tuple[Answered, ...]
    audit: Mapping[str, str] = field(default_factory=dict)
    full: tuple[bool, ...] = ()

    def whole(self) -> set[int]:
        """The positions of the questions whose results may bear all their digits, as this site sees it."""
        return {place for place, full in enumerate(self.full) if full}

    def encode(self) -> bytes:
        """The canonical bytes, which every site of the run may read; of answers apart they hold digests."""
        answers = [_said_as_data(a) for a in self.answers]
        return pack(
            {
                "schema_version": SCHEMA_VERSION,
                "study": self.study,
                "run": self.run,
                "round": self.round,
                "site": self.site,
                "question": self.question,
                "answers": answers,
                "audit": self.audit,
                "full": list(self.full),
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The answer of canonical bytes. Raises WireError."""
        kinds = {"study": str, "run": str, "round": int, "site": str, "question": str}
        content = message_fields(data, kinds | {"answers": list, "audit": dict, "full": list})
        try:
            answers = tuple(_said_of_data(a) for a in content["answers"])
            heads = {str(site): str(head) for site, head in content["audit"].items()}
            known = {name: content[name] for name in kinds}
            answer = cls(**known, answers=answers, audit=heads, full=tuple(map(bool, content["full"])))
            if answer.encode() != data:
                raise ValueError
        except (AttributeError, KeyError, TypeError, ValueError):
            raise WireError(Code.MALFORMED_MESSAGE, "an answer is malformed") from None
        return answer


@dataclass(frozen=True)
class RoundReply:
    """What a site sends the center in one round: its sealed answer, and beside it what others may not see.

    Attributes:
        sealed: the sealed `RoundAnswer`, which is relayed to the other sites.
        apart: position -> arrays of the answers that go to the center alone.
    """

    sealed: bytes
    apart: Mapping[int, Sent] = field(default_factory=dict)

    @classmethod
    def of(cls, sealed: bytes, answer: RoundAnswer) -> Self:
        """The reply to a round whose answer was sealed."""
        apart = {i: a.arrays for i, a in enumerate(answer.answers) if isinstance(a, Apart) and a.arrays}
        return cls(sealed, apart)

    def encode(self) -> bytes:
        """The canonical bytes."""
        return pack(
            {
                "schema_version": SCHEMA_VERSION,
                "sealed": np.frombuffer(self.sealed, dtype=np.uint8),
                "apart": {str(place): dict(arrays) for place, arrays in self.apart.items()},
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The reply of canonical bytes. Raises WireError."""
        content = message_fields(data, {"sealed": np.ndarray, "apart": dict})
        try:
            apart = {int(place): _arrays_of_data(arrays) for place, arrays in content["apart"].items()}
            reply = cls(content["sealed"].tobytes(), apart)
            if reply.encode() != data:
                raise ValueError
        except (AttributeError, TypeError, ValueError):
            raise WireError(Code.MALFORMED_MESSAGE, "a reply is malformed") from None
        return reply

    def open(self, key: Ed25519PublicKey) -> RoundAnswer:
        """The site's answer with the arrays that are apart.

        Raises:
            WireError: it does not bear the site's signature, or what is apart is not what it signed.
        """
        return self.with_apart(RoundAnswer.decode(unseal(self.sealed, key, "answer")))

    def with_apart(self, answer: RoundAnswer) -> RoundAnswer:
        """The answer with the arrays that are apart.

        Raises:
            WireError: they are not those of its digests.
        """
        places = {i for i, a in enumerate(answer.answers) if isinstance(a, Apart)}
        whole = tuple(
            Apart.of(self.apart[i]) if i in places & self.apart.keys() else a
            for i, a in enumerate(answer.answers)
        )
        if whole != answer.answers or places != self.apart.keys():
            raise WireError(Code.TAMPERED, "what is beside an answer is not what its site signed")
        return replace(answer, answers=whole)


def _said_as_data(said: Answered) -> dict[str, Any]:
    if isinstance(said, Code):
        return {"code": str(said)}
    return {"apart": said.sha256} if isinstance(said, Apart) else {"arrays": dict(said)}


def _said_of_data(data: Mapping[str, Any]) -> Any:
    if "code" in data:
        return Code(data["code"])
    return Apart(str(data["apart"])) if "apart" in data else _arrays_of_data(data["arrays"])


def message_fields(data: bytes, kinds: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a message, each of its kind; who decodes them compares their bytes with the message."""
    content = unpack(data)
    if not isinstance(content, dict) or content.keys() != kinds.keys() | {"schema_version"}:
        raise WireError(Code.MALFORMED_MESSAGE, "not the message that was expected")
    if content["schema_version"] != SCHEMA_VERSION:
        raise WireError(Code.MALFORMED_MESSAGE, "a message of another version of the wire format")
    if any(type(content[name]) is not kind for name, kind in kinds.items()):
        raise WireError(Code.MALFORMED_MESSAGE, "a field of a message is of another kind")
    return content


def _arrays_of_data(data: Mapping[str, Any]) -> Arrays:
    if not all(isinstance(array, np.ndarray) for array in data.values()):
        raise ValueError
    return dict(data)


def _ask_as_data(ask: Ask) -> dict[str, Any]:
    return {
        "analysis": ask.analysis,
        "part": list(ask.part),
        "step": ask.step,
        "rows": ask.rows.model_dump(),
        "per_site": ask.per_site,
        "secret": ask.secret,
        "arrays": _as_wire_arrays(ask.arrays),
        "transforms": [
            {
                "analysis": t.analysis,
                "part": list(t.part),
                "rows": t.rows.model_dump(),
                "arrays": _as_wire_arrays(t.arrays),
            }
            for t in ask.transforms
        ],
    }


def _as_wire_arrays(arrays: Arrays) -> dict[str, Array]:
    return {
        name: a.astype(np.int64) if a.dtype.kind in "iub" else a.astype(np.float64)
        for name, a in arrays.items()
    }


def _ask_of_data(data: dict[str, Any]) -> Ask:
    if data["secret"] not in get_args(Secret):
        raise ValueError
    return Ask(
        step=str(data["step"]),
        arrays=_arrays_of_data(data["arrays"]),
        rows=Rows.model_validate(data["rows"]),
        per_site=bool(data["per_site"]),
        secret=data["secret"],
        analysis=str(data["analysis"]),
        part=tuple(data["part"]),
        transforms=tuple(
            Transform(
                str(t["analysis"]),
                tuple(t["part"]),
                Rows.model_validate(t["rows"]),
                _arrays_of_data(t["arrays"]),
            )
            for t in data["transforms"]
        ),
    )
