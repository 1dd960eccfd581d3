"""A finished study computed again from the rounds that were kept, without asking a site."""

from pathlib import Path

from protocols.core.errors import Code, InputError, ShadowgraphError, StudyError
from protocols.core.study import Study
from protocols.exchange.rounds import Outcome, conduct
from protocols.exchange.sides import Center
from protocols.exchange.wire import RoundAnswer, RoundQuestion
from server.coordination.record import outcome_record, version_of
from server.coordination.run_start import kept_start
from server.coordination.signing import read_signed
from server.home.identity import coordinator_key
from server.home.store import Store
from server.home.submissions import FINISHED


def recompute(home: Path, reference: str) -> tuple[Study, Outcome]:
    """A study and what it found, recomputed from its kept rounds.

    Raises:
        InputError: it has no result, or its rounds were deleted by age; or code tampered: signature, rounds
            and result do not fit each other.
    """
    store = Store(home)
    found = store.submission(reference)
    if found.state not in FINISHED or found.roster is None:
        raise InputError(Code.NOT_FOUND, f"run {found.run} has no result: it is {found.state}")
    study = read_signed(home, found.sealed)
    kept = store.memory(found.run)
    if kept.is_pruned():
        raise InputError(
            Code.NOT_FOUND,
            f"run {found.run}: its rounds were deleted by age, so nothing can be computed again",
            f"read its result with: shadowgraph study show {found.run} (keep_rounds_days in hub.toml)",
        )
    memory = dict(kept)
    try:
        outcome = conduct(
            study,
            _nobody,
            run=found.run,
            roster=tuple(found.roster),
            started=kept_start(store, found.run, found.roster),
            memory=memory,
            side=Center(),
        )
    except ShadowgraphError as error:
        raise InputError(Code.TAMPERED, f"run {found.run} cannot be recomputed: {error.text}") from None
    version = version_of(found.outcome or b"")
    record = outcome_record(study, outcome, memory, coordinator_key(home).public_key(), version)
    if found.study != study.hash() or record != found.outcome:
        raise InputError(Code.TAMPERED, f"run {found.run}: the kept result is not what its rounds give")
    return study, outcome


def _nobody(question: RoundQuestion) -> dict[str, RoundAnswer]:
    raise StudyError(Code.TAMPERED, f"round {question.round} was not kept")
