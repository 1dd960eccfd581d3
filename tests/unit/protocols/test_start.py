"""The start of a run: what each site promises and opens, and what nobody can choose or read."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from protocols.core.errors import Code
from protocols.exchange.envelope import WireError
from protocols.exchange.start import (
    Beginning,
    Hello,
    Opening,
    hello,
    open_start,
    run_secret,
    started,
)

SITES = "abc"
Beginnings = dict[str, Beginning]


def a_start(beginnings: Beginnings, run: str = "r1") -> tuple[dict[str, Hello], dict[str, Opening]]:
    hellos = {site: hello(beginnings[site], "study", run, site) for site in beginnings}
    yes = {"one": True, "two": True}
    openings = {
        site: open_start(beginnings[site], site, hellos, yes | {"two": site != "c"}) for site in beginnings
    }
    return hellos, openings


@pytest.fixture
def beginnings() -> Beginnings:
    return {site: Beginning.fresh() for site in SITES}


def test_all_sites_find_one_chance_one_secret_and_the_same_contributors(beginnings: Beginnings) -> None:
    hellos, openings = a_start(beginnings)
    begun = started(hellos, openings)
    assert begun.contributors == {"one": ("a", "b", "c"), "two": ("a", "b")}
    assert begun.keys == {site: hellos[site].key for site in SITES}
    (secret,) = {run_secret(beginnings[site], site, hellos, openings) for site in SITES}
    assert len(begun.chance) == len(secret) == 32
    assert secret != begun.chance


def test_one_other_byte_of_one_site_is_another_chance_and_another_secret(beginnings: Beginnings) -> None:
    hellos, openings = a_start(beginnings)
    b = beginnings["b"]
    other = a_start(beginnings | {"b": Beginning(b.key, b.nonce[:-1] + b"x", b.share[:-1] + b"x")})
    assert started(*other).chance != started(hellos, openings).chance
    assert run_secret(beginnings["a"], "a", *other) != run_secret(beginnings["a"], "a", hellos, openings)


def test_messages_come_back_from_their_bytes(beginnings: Beginnings) -> None:
    hellos, openings = a_start(beginnings)
    assert Hello.decode(hellos["a"].encode()) == hellos["a"]
    assert Opening.decode(openings["a"].encode()) == openings["a"]
    with pytest.raises(WireError):
        Opening.decode(hellos["a"].encode())
    kept = Beginning.of_bytes(beginnings["a"].as_bytes())
    assert hello(kept, "study", "r1", "a") == hellos["a"]


def test_the_bytes_that_the_center_relays_do_not_hold_a_share(beginnings: Beginnings) -> None:
    hellos, openings = a_start(beginnings)
    said = b"".join(message.encode() for message in (*hellos.values(), *openings.values()))
    assert all(beginning.nonce in said for beginning in beginnings.values())
    assert not any(beginning.share in said for beginning in beginnings.values())
    stranger = Beginning.fresh()
    with pytest.raises(WireError):
        run_secret(Beginning(stranger.key, beginnings["a"].nonce, bytes(32)), "a", hellos, openings)


SPOILED: dict[str, Callable[[Beginnings, dict[str, Opening]], Opening | None]] = {
    "another nonce": lambda _, o: replace(o["b"], nonce=bytes(32)),
    "another share": lambda b, o: a_start(b | {"b": replace(b["b"], share=bytes(32))})[1]["b"],
    "a share sealed for another site": lambda _, o: replace(
        o["b"], shares={"a": o["b"].shares["c"], "c": o["b"].shares["a"]}
    ),
    "other hellos": lambda b, o: a_start({**b, "c": Beginning.fresh()})[1]["b"],
    "another run": lambda b, o: a_start(b, "r2")[1]["b"],
    "other analyses": lambda _, o: replace(o["b"], contributes={"one": True}),
    "a site less": lambda _, o: replace(o["b"], shares={"a": o["b"].shares["a"]}),
    "nothing": lambda _, o: None,
}


@pytest.mark.parametrize("name", SPOILED)
def test_an_opening_that_is_not_what_its_hello_promised_is_refused(beginnings: Beginnings, name: str) -> None:
    hellos, openings = a_start(beginnings)
    spoiled = SPOILED[name](beginnings, openings)
    openings = {site: said for site, said in openings.items() if site != "b"}
    with pytest.raises(WireError) as refused:
        run_secret(beginnings["a"], "a", hellos, openings if spoiled is None else openings | {"b": spoiled})
    assert refused.value.code == Code.TAMPERED


def test_a_promise_copied_from_another_site_is_refused(beginnings: Beginnings) -> None:
    """Who promises another's digest would open it with what the other gave, and choose the joint bytes."""
    hellos, _ = a_start(beginnings)
    for field in ("key", "nonce", "share"):
        copied = replace(hellos["c"], **{field: vars(hellos["b"])[field]})
        with pytest.raises(WireError, match=f"two sites have one {field}"):
            open_start(beginnings["a"], "a", hellos | {"c": copied}, {})


def test_a_site_opens_only_for_its_own_hello(beginnings: Beginnings) -> None:
    hellos, _ = a_start(beginnings)
    with pytest.raises(WireError, match="in this site's name"):
        open_start(beginnings["a"], "a", hellos | {"a": replace(hellos["a"], nonce="0" * 64)}, {})
    with pytest.raises(WireError, match="several runs"):
        open_start(beginnings["a"], "a", hellos | {"b": replace(hellos["b"], run="r2")}, {})
