"""How a study comes into the store, where the coordinator finds it."""

import time
from collections.abc import Iterable
from pathlib import Path

from protocols.core.axis import keep_list, look_in
from protocols.core.block_kinds import lists_of
from protocols.core.errors import Code, InputError
from protocols.core.feasibility import doubts
from protocols.core.study import Study
from protocols.runtime import audit_chain
from server.coordination.signing import sign
from server.home.config import load
from server.home.store import Store
from server.home.submissions import FINISHED, Submission

DAY = 86400.0


def submit(
    home: Path, study: Study, *, sites: Iterable[str] = (), patience_seconds: float | None = None
) -> Submission:
    """The submission of a study, which is signed here.

    Args:
        home: the center's folder.
        study: what is asked.
        sites: those to ask; all that are enrolled where none is named.
        patience_seconds: how long it waits for approvals; 0 runs with the sites that approve at once.

    Raises:
        InputError: the study does not say who asks, works at no site, a site is not enrolled, or fewer are
            asked than the study needs.
    """
    if study.requester is None:
        raise InputError(
            Code.INVALID_STUDY,
            "the study does not say who asks, and no site would answer",
            "add `requester:` with `name`, `institution` and `ethics`",
        )
    if nowhere := [doubt for doubt in doubts(study) if doubt.is_certain]:
        text = "; ".join(f"{one.where}: {one.text}" for one in nowhere)
        raise InputError(Code.INVALID_STUDY, f"the study works at no site: {text}", nowhere[0].fix)
    settings, store = load(home), Store(home)
    enrolled = {site.name for site in store.sites() if site.takes_part}
    invited = set(sites)
    if unknown := invited - enrolled:
        raise InputError(Code.NOT_FOUND, f"not enrolled, or suspended: {', '.join(sorted(unknown))}")
    if len(invited or enrolled) < study.min_sites:
        raise InputError(
            Code.TOO_FEW_SITES,
            f"the study needs {study.min_sites} sites, {len(invited or enrolled)} would be asked",
        )
    look_in(home)
    for names in lists_of(study.blocks, of_rules=True).values():
        keep_list(home, names)  # the next release may have another table of genes
    patience = settings.approval_days * DAY if patience_seconds is None else patience_seconds
    submitted = store.submit(
        study=study.hash(),
        name=study.name,
        title=study.title,
        sealed=sign(home, study),
        invited=invited,
        deadline=time.time() + patience,
    )
    audit_chain.act(settings.home, "study-signed", study=submitted.study, run=submitted.run)
    return submitted


def submit_query(home: Path, study: Study, *, sites: Iterable[str] = ()) -> Submission:
    """The submission of a query; one that was answered, or is under way, is not asked again.

    To ask again would spend budget, and the same question to the same sites has one answer.
    """
    store, invited = Store(home), tuple(sorted(sites))
    for earlier in store.entries(study.hash()):
        found = store.submission(earlier.run)
        if found.invited == invited and (earlier.state in FINISHED or found.ended_at is None):
            return found
    return submit(home, study, sites=invited, patience_seconds=0)
