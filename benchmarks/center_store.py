"""How long the center's store takes to be listed and looked through, by the number of studies that it keeps.

    python -m benchmarks.center_store [STUDIES]

Milliseconds of wall and of CPU time, the least of five, one process, a warm file. A round is 1,250 drawn
numbers, which hardly shrink; an outcome and a study are zeros. "every column" is how the list was read before
it had an index of its own; the others are what `study list`, `study show` and the coordinator ask for.

    python -m benchmarks.center_store rounds

How many bytes the rounds of the conformance examples have, and how many the store keeps of them.
"""

import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from protocols.exchange.envelope import pack
from protocols.exchange.local import run_locally
from server.home.round_memory import compressed
from server.home.schema import FILE
from server.home.store import Store
from tests.conformance.examples import EXAMPLES
from tests.lib.drawn_sites import SPLITS, study_of

SEALED, OUTCOME, NUMBERS = 20_000, 100_000, 1_250
ROUNDS, EVENTS, OPEN = 8, 20, 5


def filled(home: Path, studies: int) -> Store:
    """A store that keeps so many studies, of which a few have not ended."""
    store, rng = Store(home), np.random.default_rng(0)
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
            memory[place] = pack({"sums": rng.normal(size=NUMBERS)})
        store.finish(one.run, bytes(OUTCOME))
    return store


def milliseconds(act: Callable[[], object], clock: Callable[[], float]) -> float:
    """The least of five."""
    taken = []
    for _ in range(5):
        began = clock()
        act()
        taken.append(1000 * (clock() - began))
    return min(taken)


def print_rounds() -> None:
    """Prints what the rounds of every conformance example take, and what is kept of them."""
    whole = kept = 0
    for name, example in EXAMPLES.items():
        memory: dict[int, bytes] = {}
        study = study_of(*({"protocol": name, **spec} for spec in example.specs))
        run_locally(study, next(iter(SPLITS.values())), memory=memory)
        sizes = sum(map(len, memory.values())), sum(len(compressed(joined)) for joined in memory.values())
        whole, kept = whole + sizes[0], kept + sizes[1]
        print(f"{name:24} {len(memory):3} rounds {sizes[0]:9} {sizes[1]:9}")
    print(f"all {whole} {kept} {kept / whole:.2f}")


def main() -> None:
    """Prints the table."""
    if sys.argv[1:] == ["rounds"]:
        return print_rounds()
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
            wall, cpu = (milliseconds(act, clock) for clock in (time.perf_counter, time.process_time))
            print(f"{what:36} {wall:8.1f} {cpu:8.1f}")


if __name__ == "__main__":
    main()
