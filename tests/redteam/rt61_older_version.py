"""RT61: a coordinator speaks the version in which a run had no keys and no chance of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from protocols.core.protocol import ask
from protocols.exchange import proposal, start, wire
from protocols.exchange.envelope import WireError, seal, unpack, unseal
from protocols.exchange.start import StartMessage
from tests.lib.attacked_site import AttackedSite
from tests.lib.sites import a_round
from tests.lib.studies import a_study
from tests.redteam.attack import Figure, attack

OLDER = wire.SCHEMA_VERSION - 1


@contextmanager
def _older() -> Iterator[None]:
    with ExitStack() as stack:
        for module in (wire, start, proposal):
            stack.enter_context(patch.object(module, "SCHEMA_VERSION", OLDER))
        yield


@attack("RT61", "proposal, start and question in the version before", works_from=3)
def older_version(folder: Path, weakened: bool) -> Figure:
    site, study = AttackedSite(folder), a_study()
    site.approve(study)
    question = a_round(study, replace(ask("counts"), analysis="ages"))
    began = seal(StartMessage(study.hash(), "r2", tuple("abc")).encode(), site.center.key, "start")
    assert not _refused(site, site.agent.handle("start", began))  # an honest one, in today's version
    with _older():
        proposed = site.center.proposal(study)
        began = seal(StartMessage(study.hash(), "r3", tuple("abc")).encode(), site.center.key, "start")
    with ExitStack() as stack:
        if weakened:
            stack.enter_context(_older())
            asked = site.center.question(question)
        else:
            site.center.question(question)  # starts the run, so that the version alone is what is refused
            with _older():
                asked = site.center.question(question)
        messages = {"round": asked, "propose": proposed, "start": began}
        answered = [not _refused(site, site.agent.handle(kind, m)) for kind, m in messages.items()]
    return Figure(sum(answered), f"of {len(messages)} kinds of message answered")


def _refused(site: AttackedSite, sealed: bytes) -> bool:
    try:
        return unpack(unseal(sealed, site.key.public_key(), "status"))["state"] == "refused"
    except WireError:
        return False
