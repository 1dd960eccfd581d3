"""RT36: whoever can write the center's store changes a result, a round, or a study that has ended."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from protocols.core.errors import ShadowgraphError
from server.coordination import replay
from server.home.store import Store
from tests.lib.consortium import Consortium
from tests.lib.lying_coordinator import weaken
from tests.lib.studies import a_study
from tests.redteam.attack import Figure, attack

CHANGES = {
    "a number of the result": "UPDATE submission SET outcome = replace(outcome, '1', '2') WHERE run = ?",
    "a round taken out": "DELETE FROM round WHERE run = ? AND round = 0",
    "the bytes of a round": "UPDATE round SET joined = zeroblob(length(joined)) WHERE run = ?",
}


def _believing(home: Path, reference: str) -> Any:
    """What a center says that reads its store and computes nothing again."""
    return Store(home).submission(reference)


@attack("RT36", "a number of a kept result, a round, the bytes of a round", works_from=3, slow=True)
def altered_results(folder: Path, weakened: bool) -> Figure:
    unnoticed = 0
    for name, change in CHANGES.items():
        consortium, study = Consortium(folder / name.replace(" ", "-")), a_study()
        consortium.decide(study, "approved")
        run = consortium.propose(study).run
        consortium.coordinator().step()
        with consortium.store._open() as db:
            assert db.execute(change, (run,)).rowcount
        with weaken(replay, "recompute", _believing, weakened), suppress(ShadowgraphError):
            replay.recompute(consortium.home, run)
            unnoticed += 1
    return Figure(unnoticed, f"of {len(CHANGES)} changes are not noticed")
