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
