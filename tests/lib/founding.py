"""People at all sites of a consortium who confirm each other, through the files that they would hand over."""

from collections.abc import Mapping
from pathlib import Path

from protocols.exchange.keys import fingerprint
from server.administration import enrolment
from site_node.actions import peers


def confirm_each_other(center: Path, homes: Mapping[str, Path], folder: Path) -> None:
    """Makes members of all enrolled sites; the center hands it on with the next proposal."""
    members = folder / "members.json"
    enrolment.member_list(center).write(members)
    keys = enrolment.member_list(center).sites
    for name, home in homes.items():
        compared = {site: fingerprint(key.signing_key) for site, key in keys.items() if site != name}
        said = folder / f"{name}.statements.json"
        peers.confirm(home, compared, file=members, out=said)
        enrolment.keep_statements(center, said)
