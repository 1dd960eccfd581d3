"""RT45: a coordinator invents hospitals, whose parts of a sum it knows, and subtracts them."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from protocols.core.errors import Code
from protocols.core.protocol import ask
from protocols.exchange.envelope import WireError
from protocols.exchange.secure_sum import CHECK, Member, unmask
from protocols.exchange.wire import RoundReply
from site_node.governance import peers
from tests.lib.attacked_site import AttackedSite
from tests.lib.lying_coordinator import weaken
from tests.lib.sites import a_round
from tests.lib.studies import a_study, a_table
from tests.redteam.attack import Figure, attack

FIRST = replace(ask("counts"), analysis="ages")
VICTIMS, INVENTED = 4, ("x", "y")


@attack("RT45", "invented hospitals complete the roster, and their parts are subtracted", works_from=VICTIMS)
def invented_hospitals(folder: Path, weakened: bool) -> Figure:
    with weaken(peers, "_members", peers._proposed, weakened):  # as if pinned when they are first proposed
        read = sum(_is_read(folder / str(number), number) for number in range(VICTIMS))
    return Figure(read, f"of {VICTIMS} sites' own parts of a sum")


def _is_read(home: Path, number: int) -> bool:
    """Whether the coordinator reads how many people one site has, in a run with two that it invented."""
    table, study = a_table(seed=number), a_study()
    site = AttackedSite(home, lambda _: table)
    site.center.meet(*INVENTED, confirmed=False)
    site.approve(study)
    sealed = site.center.reply(a_round(study, FIRST, roster="axy"))
    try:
        answer = RoundReply.decode(sealed).open(site.key.public_key())
    except WireError:
        return False
    (said,) = answer.answers
    assert not isinstance(said, Code)
    keys = site.center.begun[study.hash(), "r1"].started.keys
    nothing = {name: np.zeros(limbs.shape[:-1]) for name, limbs in said.items() if name != CHECK}
    masked = {
        name: Member(name, site.center.invented[name][1].key, keys, keys).mask(nothing, answer.question, 0)
        for name in INVENTED
    }
    part = unmask({"a": said, **masked}, dict.fromkeys(nothing, True))
    return bool((part["n"] == len(table)).all())
