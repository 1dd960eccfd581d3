"""RT39: what a study's author wrote does not steer the terminal of the person who decides."""

import pytest

from server.main import _print


def test_a_title_moves_no_cursor_and_makes_no_link(capsys: pytest.CaptureFixture[str]) -> None:
    title = "Mean age\x1b[2J\x1b]8;;http://x\x07 [bold]approved[/bold]\r"
    _print([{"title": title}], False)
    _print({"title": title, "cohort": {"index": {"name": title}}, "lines": [title]}, False)
    _print([title], False)
    shown = capsys.readouterr().out
    assert not set(shown) & {"\x1b", "\x07", "\r"}
    assert "[bold]approved" in shown
