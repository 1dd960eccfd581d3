"""The wire: equal messages are equal bytes, and bytes that are not a message are a WireError."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from protocols.core.errors import Code
from protocols.core.protocol import Ask, Transform
from protocols.core.table import Rows
from protocols.exchange.envelope import WireError, pack, seal, unpack, unseal
from protocols.exchange.wire import RoundAnswer, RoundQuestion

names = st.text(st.characters(codec="ascii", categories=["Ll", "Nd"]), min_size=1, max_size=8)
arrays = stn.arrays(
    st.sampled_from([np.float64, np.int64, np.uint64]), stn.array_shapes(min_dims=0, max_dims=3, min_side=0)
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=10) | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return bool(
            isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        )
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@given(plain)
def test_plain_data_comes_back_and_its_bytes_are_canonical(value: Any) -> None:
    data = pack(value)
    assert same(value, unpack(data))
    assert pack(unpack(data)) == data


def test_the_order_of_keys_and_the_payload_of_a_nan_do_not_reach_the_bytes() -> None:
    assert pack({"a": 1, "b": 2}) == pack({"b": 2, "a": 1})
    odd = np.array([0x7FF8DEADBEEF0000], dtype=np.uint64).view(np.float64)
    assert pack(odd) == pack(np.array([np.nan]))


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([1 + 2j]), np.zeros(2, dtype=np.float32)])
def test_other_arrays_do_not_cross(value: Any) -> None:
    with pytest.raises(TypeError):
        pack(value)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_wire_error(data: bytes) -> None:
    for decode in (unpack, RoundQuestion.decode, RoundAnswer.decode):
        with pytest.raises(WireError):
            decode(data)


@given(st.data())
def test_changed_bytes_are_a_wire_error_or_another_message(data: st.DataObject) -> None:
    message = bytearray(QUESTION.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = RoundQuestion.decode(bytes(message))
    except WireError:
        return
    assert decoded.encode() == bytes(message)


@given(st.integers(0, 2**32))
def test_truncated_bytes_are_a_wire_error(cut: int) -> None:
    whole = QUESTION.encode()
    with pytest.raises(WireError):
        RoundQuestion.decode(whole[: cut % len(whole)])


def raw(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header, separators=(",", ":")).encode()
    return b"SGW1" + struct.pack("<I", len(text)) + text + body


@pytest.mark.parametrize(
    "data",
    [
        raw({"$array": ["<f8", [2]]}, b"\0" * 8),
        raw({"$array": ["<f8", [1]]}, b"\0" * 16),
        raw({"$array": ["<f8", [-1]]}),
        raw({"$array": ["<f8", [2**62, 2**62]]}, b"\0" * 8),
        raw({"$array": ["<f8", [True]]}, b"\0" * 8),
        raw({"$array": ["|O8", [1]]}, b"\0" * 8),
        raw({"$array": ["<f8", "1"]}, b"\0" * 8),
        raw({"$array": ["<f8"]}),
        raw({"$array": 3}),
        raw({"$array": [["<f8"], [1]]}, b"\0" * 8),
        raw(b'{"b":1,"a":2}'),
        raw(b'{"a":1, "b":2}'),
        raw(b'{"a":1,"a":1}'),
        raw(b'{"a":NaN}'),
        raw(b"[" * 100_000),
        raw(b"\xff\xfe"),
        raw(b"1" * 5000),
        b"SGW1\xff\xff\xff\xff",
    ],
)
def test_malformed_messages_are_a_wire_error(data: bytes) -> None:
    for decode in (unpack, RoundQuestion.decode, RoundAnswer.decode):
        with pytest.raises(WireError):
            decode(data)


@pytest.mark.parametrize("field", ["study", "run", "round", "roster", "asks", "schema_version"])
@pytest.mark.parametrize("value", [None, -1, 1.5, "x", [], [1], {"a": 1}, [[]], [{"step": 1}], True])
def test_a_question_with_a_field_of_another_kind_is_a_wire_error(field: str, value: Any) -> None:
    content = unpack(QUESTION.encode())
    if pack(content[field]) == pack(value):
        return
    data = pack({**content, field: value})
    try:
        decoded = RoundQuestion.decode(data)
    except WireError:
        return
    assert decoded.encode() == data


@pytest.mark.parametrize("field", ["study", "run", "round", "site", "question", "answers", "schema_version"])
@pytest.mark.parametrize(
    "value",
    [None, -1, "x", [1], {"a": 1}, [{}], [{"code": "no-such"}], [{"arrays": {"x": 1}}], [{"arrays": 2}]],
)
def test_an_answer_with_a_field_of_another_kind_is_a_wire_error(field: str, value: Any) -> None:
    data = pack({**unpack(ANSWER.encode()), field: value})
    try:
        decoded = RoundAnswer.decode(data)
    except WireError:
        return
    assert decoded.encode() == data


QUESTION = RoundQuestion(
    "hash",
    "run",
    3,
    ("a", "b"),
    (
        Ask("step", {"coef": np.array([1.0, 2.0])}, Rows(keep="train", fold=1, of=5), analysis="one"),
        Ask(
            "other",
            per_site=True,
            analysis="two",
            part=("model",),
            transforms=(Transform("two", ("harmonize",), Rows(keep="test", sites=("a",)), {"x": np.eye(2)}),),
        ),
    ),
)
ANSWER = RoundAnswer(
    "hash", "run", 3, "a", "digest", ({"n": np.array(12), "x": np.array([0.5])}, Code.WITHHELD)
)


def test_a_question_and_an_answer_come_back() -> None:
    question, answer = RoundQuestion.decode(QUESTION.encode()), RoundAnswer.decode(ANSWER.encode())
    assert question.encode() == QUESTION.encode()
    assert question.asks[1].transforms[0].rows == Rows(keep="test", sites=("a",))
    assert answer.answers[1] is Code.WITHHELD
    assert answer.encode() == ANSWER.encode()


def test_a_seal_holds_for_one_key_one_context_and_one_body() -> None:
    mine, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    sealed = seal(b"body", mine, "question")
    assert unseal(sealed, mine.public_key(), "question") == b"body"
    for key, context, data in (
        (other, "question", sealed),
        (mine, "answer", sealed),
        (mine, "question", sealed[:-1] + b"x"),
        (mine, "question", sealed[:10]),
        (mine, "question", b""),
    ):
        with pytest.raises(WireError) as caught:
            unseal(data, key.public_key(), context)
        assert caught.value.code == Code.BAD_SIGNATURE
