"""Inviting and enrolling sites from pages: the files that go from hand to hand, as texts."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from server.actions import network
from server.actions.network import EnrolledSite


@dataclass(frozen=True)
class InvitationFile:
    """The file with which a site joins, and the coordinator's fingerprint, which its people compare."""

    name: str
    coordinator_fingerprint: str
    text: str
    schema_version: int = 1


def invite(home: Path, site: str, by: str = "") -> InvitationFile:
    """The invitation of a site as a file's text.

    Raises:
        InputError: it is not a valid name of a site.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = network.invite(home, site, out=Path(folder) / "invitation.json", by=by)
        return InvitationFile(
            f"{site}.invitation.json", made.coordinator_fingerprint, made.path.read_text("utf-8")
        )


def enrol(home: Path, text: str, *, new_keys: bool = False, by: str = "") -> EnrolledSite:
    """The site whose answer to its invitation is this text.

    Raises:
        InputError: as `network.enrol`.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "enrolment.json"
        file.write_text(text, "utf-8")
        return network.enrol(home, file, new_keys=new_keys, by=by)
