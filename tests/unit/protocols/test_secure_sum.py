"""The secure sum: exact to 2^-41 a site, noise to whoever lacks a stream, refused for two views."""

from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from protocols.core.disclosure import Count, Moment, Thresholds, release
from protocols.core.errors import Code, SiteError, StudyError
from protocols.exchange.envelope import WireError
from protocols.exchange.keys import public_text
from protocols.exchange.secure_sum import CHECK, LARGEST, Member, decode, encode, unmask

KEYS = {f"site{i:02}": X25519PrivateKey.from_private_bytes(bytes([i + 1]) * 32) for i in range(50)}
PUBLIC = {site: public_text(key.public_key()) for site, key in KEYS.items()}


def members(n: int) -> list[Member]:
    roster = {site: PUBLIC[site] for site in list(PUBLIC)[:n]}
    return [Member(site, KEYS[site], roster, PUBLIC) for site in roster]


def masked(parts: list[dict[str, Any]], question: str = "q", position: int = 0) -> dict[str, Any]:
    return {
        m.site: m.mask(part, question, position) for m, part in zip(members(len(parts)), parts, strict=True)
    }


numbers = (
    st.floats(-(2.0**70), 2.0**70, allow_nan=False) | st.floats(-1e-9, 1e-9) | st.sampled_from([0.0, -0.5])
)
shapes = stn.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=4)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 50), shapes, st.data())
def test_the_sum_is_exact_to_half_a_unit_a_site(n: int, shape: tuple[int, ...], data: st.DataObject) -> None:
    floats = [data.draw(stn.arrays(np.float64, shape, elements=numbers)) for _ in range(n)]
    counts = [data.draw(stn.arrays(np.int64, shape, elements=st.integers(-(2**52), 2**52))) for _ in range(n)]
    parts = [{"x": x, "n": c} for x, c in zip(floats, counts, strict=True)]
    total = unmask(masked(parts), {"x": False, "n": True})
    assert total["n"].dtype == np.int64
    np.testing.assert_array_equal(total["n"], np.sum(counts, axis=0))
    exact = np.vectorize(
        lambda *xs: float(sum(int(np.rint(x * 2.0**40)) for x in xs) / 2**40), otypes=[float]
    )
    # The fixed-point sum itself is exact; its double is one of the two nearest.
    np.testing.assert_allclose(total["x"], exact(*floats) if total["x"].size else total["x"], rtol=2.3e-16)
    for at in np.ndindex(*shape):
        largest = max((abs(x[at]) for x in floats), default=0.0)
        if largest < 2.0**8:  # beyond, the doubles that we compare with are coarser than 2^-41
            true = float(sum(int(x[at] * 2**80) for x in floats) / 2**80)
            assert abs(total["x"][at] - true) <= n * 2.0**-41 + 2.0**-44


@given(stn.arrays(np.float64, 5, elements=numbers))
def test_a_number_comes_back_within_half_a_unit(x: Any) -> None:
    assert (np.abs(decode(encode(x)) - x) <= 2.0**-41).all()


@given(stn.arrays(np.int64, 4))
def test_an_integer_comes_back_exactly(n: Any) -> None:
    parts = [{"n": n}, {"n": -n // 2}, {"n": np.ones_like(n)}]
    with np.errstate(over="ignore"):
        expected = n + (-n // 2) + 1
    np.testing.assert_array_equal(unmask(masked(parts), {"n": True})["n"], expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, LARGEST * 1.01, -LARGEST * 1.01])
def test_a_number_beyond_the_range_is_refused_and_named_not_clipped(value: float) -> None:
    with pytest.raises(SiteError, match="'score'") as caught:
        members(3)[0].mask({"score": np.array([1.0, value])}, "q", 0)
    assert caught.value.code == Code.SITE_FAILED


def test_the_largest_numbers_of_the_most_sites_do_not_wrap() -> None:
    parts = [{"x": np.array([LARGEST, -LARGEST])} for _ in range(50)]
    np.testing.assert_array_equal(unmask(masked(parts), {"x": False})["x"], [50 * LARGEST, -50 * LARGEST])


def test_what_one_site_sends_looks_uniform_and_its_zeros_too() -> None:
    sent = members(3)[0].mask({"x": np.zeros(20_000)}, "q", 0)["x"]
    bits = np.unpackbits(sent.view(np.uint8))
    assert abs(bits.mean() - 0.5) < 0.002
    assert len(np.unique(sent[:, 0])) == 20_000


def test_without_one_site_the_sum_is_noise_and_is_refused() -> None:
    parts = masked([{"x": np.ones(3)} for _ in range(4)])
    parts.pop("site03")
    with pytest.raises(StudyError) as caught:
        unmask(parts, {"x": False})
    assert caught.value.code == Code.TAMPERED


@pytest.mark.parametrize("view", ["question", "position"])
def test_two_views_of_a_round_cannot_be_joined(view: str) -> None:
    parts = [{"x": np.ones(3)} for _ in range(3)]
    one = masked(parts)
    other = masked(parts, question="another") if view == "question" else masked(parts, position=1)
    with pytest.raises(StudyError) as caught:
        unmask({**one, "site02": other["site02"]}, {"x": False})
    assert caught.value.code == Code.TAMPERED


def test_the_same_round_with_another_roster_cannot_be_joined() -> None:
    three = masked([{"x": np.ones(3)} for _ in range(3)])
    four = masked([{"x": np.ones(3)} for _ in range(4)])
    with pytest.raises(StudyError):
        unmask({**three, "site00": four["site00"]}, {"x": False})


def test_masks_differ_from_question_to_question() -> None:
    one, other = (members(3)[0].mask({"x": np.zeros(50)}, question, 0)["x"] for question in ("q0", "q1"))
    assert (one != other).all()


def test_a_repeated_question_gives_the_same_bytes() -> None:
    one, other = (members(3)[1].mask({"x": np.arange(5.0)}, "q", 2) for _ in range(2))
    assert all((one[name] == other[name]).all() for name in one)


def test_a_changed_bit_of_the_check_is_found() -> None:
    parts = masked([{"x": np.ones(3)} for _ in range(3)])
    changed = parts["site01"][CHECK].copy()
    changed[0, 0] ^= np.uint64(1)
    with pytest.raises(StudyError):
        unmask({**parts, "site01": {**parts["site01"], CHECK: changed}}, {"x": False})


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"x": np.zeros((3, 2), dtype=np.uint64)},
        {"x": np.zeros((4, 2), dtype=np.uint64), CHECK: np.zeros((2, 2), dtype=np.uint64)},
        {"x": np.zeros((3, 2)), CHECK: np.zeros((2, 2), dtype=np.uint64)},
        {"y": np.zeros((3, 2), dtype=np.uint64), CHECK: np.zeros((2, 2), dtype=np.uint64)},
    ],
)
def test_parts_of_another_form_are_refused(arrays: dict[str, Any]) -> None:
    parts = masked([{"x": np.ones(3)} for _ in range(3)])
    with pytest.raises(StudyError) as caught:
        unmask({**parts, "site02": arrays}, {"x": False})
    assert caught.value.code == Code.MALFORMED_MESSAGE


def test_a_key_that_is_not_the_pinned_one_is_refused() -> None:
    roster = {site: PUBLIC[site] for site in ("site00", "site01", "site02")}
    forged = {**roster, "site01": PUBLIC["site09"]}
    for keys, pinned in (
        (forged, PUBLIC),
        (roster, {**PUBLIC, "site02": PUBLIC["site09"]}),
        (roster, {"site01": PUBLIC["site01"]}),
        ({**roster, "site00": PUBLIC["site09"]}, PUBLIC),
        ({**roster, "site01": PUBLIC["site02"]}, {**PUBLIC, "site01": PUBLIC["site02"]}),
        ({**roster, "site01": "AAAA"}, {**PUBLIC, "site01": "AAAA"}),
        ({**roster, "site01": "A" * 43 + "="}, {**PUBLIC, "site01": "A" * 43 + "="}),
    ):
        with pytest.raises(WireError) as caught:
            Member("site00", KEYS["site00"], keys, pinned)
        assert caught.value.code == Code.TAMPERED


def test_what_is_for_the_clear_is_not_masked_and_a_sum_is() -> None:
    declared = {"n": Count(), "x": Moment("axis", what="sums")}
    arrays = {"n": np.array(20), "x": np.ones(3)}
    clear, summed = (
        release(declared, arrays, axes={"axis": 3}, people=20, way=way, thresholds=Thresholds())
        for way in ("clear", "sum")
    )
    member = members(3)[0]
    assert member.protect(clear, "q", 0) is clear.arrays
    out = member.protect(summed, "q", 0)
    assert {name: array.shape for name, array in out.items()} == {"n": (2,), "x": (3, 2), CHECK: (2, 2)}
