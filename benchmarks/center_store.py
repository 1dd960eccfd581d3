"""How long the center's store takes to be listed and looked through, by the number of studies that it keeps.

    python -m benchmarks.center_store [STUDIES]

Milliseconds, the least of five, one process, a warm file. "every column" is how the list was read before it
had an index of its own; the others are what `study list`, `study show` and the coordinator's turns ask for.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from server.home.schema import FILE
from server.home.store import Store

SEALED, OUTCOME, ROUND = 20_000, 100_000, 10_000
ROUNDS, EVENTS, OPEN = 8, 20, 5


def filled(home: Path, studies: int) -> Store:
    """A store that keeps so many studies, of which a few have not ended."""
    store = Store(home)
    for number in range(studies):
        one = store.submit(
            study=f"{number:064x}",
            name=f"study-{number}",
            title=f"Survival by entropy, number {number}",
            sealed=bytes(SEALED),
            invited=("oslo", "bergen", "tromso"),
            deadline=time.time() + 86400,
        )
        for place in range(EVENTS):
            store.note(one.run, "asked", f"round {place}")
        if number >= studies - OPEN:
            store.wait(one.run, time.time() + 3600)
            continue
        store.begin(one.run, {"oslo": "key", "bergen": "key", "tromso": "key"})
        memory = store.memory(one.run)
        for place in range(ROUNDS):
            memory[place] = bytes(ROUND)
        store.finish(one.run, bytes(OUTCOME))
    return store


def milliseconds(act: Callable[[], object]) -> float:
    """The least of five."""
    taken = []
    for _ in range(5):
        began = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - began))
    return min(taken)


def main() -> None:
    """Prints the table."""
    studies = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        store = filled(home, studies)
        middle = store.submission(f"study-{studies // 2}")
        size = (home / FILE).stat().st_size / 1e6
        print(f"{studies} studies, {size:.0f} MB")

        def every_column() -> None:
            with closing(sqlite3.connect(home / FILE)) as db:
                db.execute("SELECT * FROM submission ORDER BY number DESC").fetchall()

        for what, act in {
            "every column (as it was)": every_column,
            "list": store.entries,
            "due": store.due,
            "one, by its name": lambda: store.submission(middle.name),
            "one, by its run": lambda: store.submission(middle.run),
            "one, by the beginning of its hash": lambda: store.submission(middle.study[:60]),
            "events of one": lambda: store.events(middle.run),
        }.items():
            print(f"{what:36} {milliseconds(act):8.1f}")


if __name__ == "__main__":
    main()
