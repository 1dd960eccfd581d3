"""Long work is followed to its end, its errors come out, and who leaves ends it."""

from threading import Event

import pytest

from protocols.runtime.events import Progress, Tell, as_events, counted


def test_events_come_in_order_and_the_result_last() -> None:
    def work(tell: Tell) -> str:
        more = counted(tell)
        for count in (2, 3):
            more(count)
        return "loaded"

    assert list(as_events(work)) == [Progress(2), Progress(5), "loaded"]


def test_an_error_of_the_work_comes_out_where_it_is_followed() -> None:
    def work(tell: Tell) -> str:
        tell(Progress(1, 4))
        raise KeyError("broken")

    events = as_events(work)
    assert next(events) == Progress(1, 4)
    with pytest.raises(KeyError, match="broken"):
        next(events)


def test_who_no_longer_follows_ends_the_work_though_it_catches_every_exception() -> None:
    ended = Event()

    def work(tell: Tell) -> str:
        try:
            while True:
                try:
                    tell(Progress(1))
                except Exception:
                    continue
        finally:
            ended.set()

    events = as_events(work)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert ended.is_set()
