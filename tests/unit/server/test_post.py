"""One message to several sites: who is sent it when, and which reply counts."""

from protocols.core.errors import Code
from server.coordination.post import PAUSE_SECONDS, Delivery


def _delivery(patience: float = 600) -> tuple[Delivery, dict[str, bytes | Code]]:
    read: dict[str, bytes | Code] = {}
    delivery = Delivery("round", b"sealed", ("a", "b"), 90, patience, read.__setitem__)
    return delivery, read


def test_a_late_reply_to_the_first_message_counts() -> None:
    delivery, read = _delivery()
    delivery.sent(("a", "b"), {"a": "1", "b": "2"}, 0)
    delivery.receive("1", b"of a", 1)
    delivery.expire(90)
    assert delivery.silent == ("b",)
    delivery.sent(delivery.unsent(92), {"b": "3"}, 92)
    delivery.receive("2", b"of b", 93)
    assert delivery.is_over(93)
    delivery.receive("3", b"of b again", 94)
    assert read == {"a": b"of a", "b": b"of b"}


def test_a_silent_site_is_sent_the_message_again_after_a_pause_and_no_other_is() -> None:
    delivery, _ = _delivery()
    delivery.sent(("a", "b"), {"a": "1"}, 0)  # b is offline
    assert delivery.unsent(PAUSE_SECONDS / 2) == ()
    assert delivery.unsent(PAUSE_SECONDS) == ("b",)


def test_an_old_message_that_expired_says_nothing_about_the_new_one() -> None:
    delivery, _ = _delivery()
    delivery.sent(("a", "b"), {"a": "1", "b": "2"}, 0)
    delivery.expire(90)
    delivery.sent(("a", "b"), {"a": "3", "b": "4"}, 92)
    delivery.receive("1", Code.SITE_UNREACHABLE, 93)
    assert delivery.silent == ()


def test_it_is_over_when_patience_is_and_no_message_is_under_way() -> None:
    delivery, _ = _delivery(patience=100)
    delivery.sent(("a", "b"), {"a": "1"}, 0)
    delivery.sent(delivery.unsent(50), {"b": "2"}, 50)
    delivery.receive("1", b"of a", 60)
    delivery.expire(139)
    assert not delivery.is_over(139)
    delivery.expire(140)
    assert delivery.is_over(140)
    assert delivery.unsent(150) == ()


def test_without_patience_the_message_is_sent_once() -> None:
    delivery, read = _delivery(patience=0)
    delivery.sent(("a", "b"), {"a": "1"}, 0)
    assert not delivery.is_over(1)
    delivery.receive("1", Code.SITE_FAILED, 1)
    assert delivery.is_over(1)
    assert (read, delivery.silent) == ({"a": Code.SITE_FAILED}, ("b",))


def test_a_message_to_nobody_is_over_at_once() -> None:
    assert Delivery("propose", b"", (), 90, 0, {}.__setitem__).is_over(0)


def test_a_held_answer_pauses_the_patience_with_every_other_site() -> None:
    read: dict[str, bytes | Code] = {}
    delivery = Delivery(
        "round", b"", ("a", "b"), 90, 100, read.__setitem__, lambda site, reply: reply == b"held"
    )
    delivery.sent(("a", "b"), {"a": "1"}, 0)  # b is offline
    delivery.receive("1", b"held", 5)
    assert (delivery.held, delivery.silent) == (("a",), ("b",))
    delivery.sent(delivery.unsent(2000), {"a": "2", "b": "3"}, 2000)  # the patience of 100 s does not run
    delivery.receive("2", b"held", 2001)
    assert not delivery.is_over(3000)
    delivery.sent(delivery.unsent(3000), {"a": "4"}, 3000)
    delivery.receive("4", b"of a", 3005)
    delivery.expire(3005)
    assert read == {"a": b"of a"}
    assert not delivery.is_over(3094)  # 5 s of the patience ran before people looked, 95 s are left
    assert delivery.is_over(3100)


def test_a_site_that_falls_silent_while_people_look_is_waited_for_no_longer_than_others() -> None:
    delivery = Delivery("round", b"", ("a",), 90, 100, {}.__setitem__, lambda site, reply: reply == b"held")
    delivery.sent(("a",), {"a": "1"}, 0)
    delivery.receive("1", b"held", 10)
    delivery.sent(delivery.unsent(40), {}, 40)  # it went offline
    assert (delivery.held, delivery.silent) == ((), ("a",))
    assert not delivery.is_over(129)
    assert delivery.is_over(130)
