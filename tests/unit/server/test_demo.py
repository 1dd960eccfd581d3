"""What the demo does about signals, so that nothing of it is left behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from server.demo.run import _stopped_by_signals, _undisturbed


@pytest.fixture(autouse=True)
def _as_from_a_terminal() -> Iterator[None]:
    """Whoever starts the tests in the background has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_sigterm_ends_the_demo_as_ctrl_c_does() -> None:
    with pytest.raises(KeyboardInterrupt), _stopped_by_signals():
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_second_ctrl_c_does_not_break_the_stopping_nor_the_commands_that_stop() -> None:
    child = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('went on')"
    with _undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
        done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True)
    assert done.stdout == "went on\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
