"""Studies under the coordinator's signature: all that sites will ever believe."""

from pathlib import Path

from protocols.core.axis import look_in
from protocols.core.errors import InputError
from protocols.core.study import Study, parse_study, read_study
from protocols.exchange.envelope import WireError, seal, unseal
from server.home.config import load
from server.home.identity import coordinator_key


def sign(home: Path, study: Study) -> bytes:
    """The study's canonical form under the coordinator's signature."""
    load(home)
    return seal(study.canonical(), coordinator_key(home), "study")


def read_signed(home: Path, sealed: bytes) -> Study:
    """The study of a signed file.

    Raises:
        InputError: this center's coordinator did not sign it, or not in this form.
    """
    load(home)
    look_in(home)
    try:
        canonical = unseal(sealed, coordinator_key(home).public_key(), "study")
    except WireError as error:
        raise InputError(error.code, "the study does not bear this coordinator's signature") from None
    return parse_study(canonical)


def read_any(home: Path, file: Path) -> Study:
    """The study of a YAML or JSON file, or of one that the coordinator signed.

    Raises:
        InputError: the file is not a valid study, or its signature is not this coordinator's.
    """
    if file.suffix != ".signed" or not file.is_file():
        return read_study(file)
    try:
        return read_signed(home, file.read_bytes())
    except InputError as error:
        raise InputError(
            error.code, f"{file.name}: {error.text}", "sign the study again: shadowgraph study sign STUDY"
        ) from None
