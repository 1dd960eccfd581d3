"""The consortium to which a site belongs: the invitation that it keeps."""

from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.exchange.enrolment import Invitation

CONSORTIUM = "consortium.json"


def consortium(home: Path) -> Invitation:
    """The consortium to which the site belongs.

    Raises:
        InputError: none yet.
    """
    if not (home / CONSORTIUM).is_file():
        raise InputError(
            Code.NOT_INITIALISED,
            "this site has not joined a consortium",
            "shadowgraph site join INVITATION",
        )
    return Invitation.read(home / CONSORTIUM)
