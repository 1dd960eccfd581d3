"""How long work says that it goes on."""

from collections.abc import Callable

Progress = Callable[[int], None]
"""Is told how many more rows, records or files were done since its last call."""
