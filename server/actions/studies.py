"""What a coordinator does with study files: sign, submit, recompute a result from what was kept."""

import importlib.resources
import time
from collections.abc import Iterable
from pathlib import Path

from protocols.core.errors import Code, InputError, ShadowgraphError, StudyError
from protocols.core.study import Study, parse_study, read_study
from protocols.exchange.rounds import Outcome, conduct
from protocols.exchange.wire import RoundAnswer, RoundQuestion, WireError, seal, unseal
from server.coordination.record import outcome_record
from server.home.config import load
from server.home.identity import coordinator_key
from server.home.store import FINISHED, Store, Submission

DAY = 86400.0


def sign(home: Path, study: Study) -> bytes:
    """The study's canonical form under the coordinator's signature: all that sites will ever believe."""
    load(home)
    return seal(study.canonical(), coordinator_key(home), "study")


def read_signed(home: Path, sealed: bytes) -> Study:
    """The study of a signed file.

    Raises:
        InputError: this center's coordinator did not sign it, or not in this form.
    """
    load(home)
    try:
        canonical = unseal(sealed, coordinator_key(home).public_key(), "study")
    except WireError as error:
        raise InputError(error.code, "the study does not bear this coordinator's signature") from None
    return parse_study(canonical)


def submit(
    home: Path, study: Study, *, sites: Iterable[str] = (), patience_seconds: float | None = None
) -> Submission:
    """The submission of a study, which the coordinator will find in the store.

    Args:
        home: the center's folder.
        study: is signed here.
        sites: those to ask; all that are enrolled where none is named.
        patience_seconds: how long it waits for approvals; 0 takes who stands by now.

    Raises:
        InputError: a site is not enrolled, or fewer are asked than the study wants.
    """
    settings, store = load(home), Store(home)
    enrolled = {site.name for site in store.sites() if site.enrolment is not None}
    invited = set(sites)
    if unknown := invited - enrolled:
        raise InputError(Code.NOT_FOUND, f"not enrolled: {', '.join(sorted(unknown))}")
    if len(invited or enrolled) < study.min_sites:
        raise InputError(
            Code.TOO_FEW_SITES,
            f"the study wants {study.min_sites} sites, {len(invited or enrolled)} would be asked",
        )
    patience = settings.approval_days * DAY if patience_seconds is None else patience_seconds
    return store.submit(
        study=study.hash(),
        name=study.name,
        title=study.title,
        sealed=sign(home, study),
        invited=invited,
        deadline=time.time() + patience,
    )


def recompute(home: Path, reference: str) -> tuple[Study, Outcome]:
    """A study and what it found, recomputed from the rounds that were kept, without asking a site.

    Raises:
        InputError: it has no result; or code tampered: signature, rounds and result do not fit each other.
    """
    store = Store(home)
    found = store.submission(reference)
    if found.state not in FINISHED or found.roster is None:
        raise InputError(Code.NOT_FOUND, f"run {found.run} has no result: it is {found.state}")
    study = read_signed(home, found.sealed)
    memory = dict(store.memory(found.run))
    try:
        outcome = conduct(
            study, _nobody, run=found.run, roster=tuple(found.roster), keys=found.roster, memory=memory
        )
    except ShadowgraphError as error:
        raise InputError(Code.TAMPERED, f"run {found.run} cannot be recomputed: {error.text}") from None
    record = outcome_record(study, outcome, memory, coordinator_key(home).public_key())
    if found.study != study.hash() or record != found.outcome:
        raise InputError(Code.TAMPERED, f"run {found.run}: the kept result is not what its rounds give")
    return study, outcome


def report(home: Path, reference: str, out: Path) -> Path:
    """The path of the report of a study, written into the folder `out` after its result was recomputed."""
    from server.report import Left, write_report

    study, outcome = recompute(home, reference)
    left = [Left(**answer) for answer in Store(home).answers(outcome.run)]
    return write_report(study, outcome, left, out)


def _nobody(question: RoundQuestion) -> dict[str, RoundAnswer]:
    raise StudyError(Code.TAMPERED, f"round {question.round} was not kept")


def read_any(home: Path, file: Path) -> Study:
    """The study of a YAML or JSON file, or of one that the coordinator signed.

    Raises:
        InputError: it is none of these.
    """
    if file.suffix != ".signed" or not file.is_file():
        return read_study(file)
    try:
        return read_signed(home, file.read_bytes())
    except InputError as error:
        raise InputError(
            error.code, f"{file.name}: {error.text}", "sign the study again: shadowgraph study sign STUDY"
        ) from None


def write_example(out: Path) -> None:
    """Writes a commented study to start from.

    Raises:
        InputError: there is a file already.
    """
    if out.exists():
        raise InputError(Code.ALREADY_EXISTS, f"there is a file {out.name} already")
    out.write_text(importlib.resources.files("server").joinpath("example_study.yaml").read_text())
