"""Creates a center, and enrols sites in it: init, invite, enrol."""

from pathlib import Path

from pydantic import ValidationError

from protocols.core.errors import Code, InputError
from protocols.core.faults import in_words
from protocols.exchange.enrolment import Enrolment, Invitation
from protocols.exchange.keys import check_masking_key, public_text, verifying_key
from protocols.exchange.membership import MemberList
from protocols.runtime.daemons import free_port
from server.home.config import SETTINGS, HubConfig, load
from server.home.identity import coordinator_key, make_identity, root_certificate
from server.home.store import Store


def make_center(
    home: Path, consortium: str, *, address: str | None = None, port: int = 9443, web_port: int = 0
) -> HubConfig:
    """The settings of a new center in `home`, with its keys and an empty store.

    Args:
        home: the center's folder; made where it does not exist.
        consortium: its name, as sites read it.
        address: host:port under which sites reach it; the loopback port itself where None.
        port: the SuperLink's port on loopback; 0 picks a free one.
        web_port: where pages and API are served on loopback; 0 serves none.

    Raises:
        InputError: there is a center already.
    """
    if (home / SETTINGS).exists():
        raise InputError(Code.ALREADY_EXISTS, "there is a center in this folder already")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(
        0o700
    )  # what was there before may have been open to others; the coordinator's key will lie in it
    port = port or free_port()
    settings = HubConfig(
        consortium=consortium,
        address=address or f"127.0.0.1:{port}",
        port=port,
        web_port=web_port,
        home=home.resolve(),
    )
    make_identity(settings)
    Store(home)
    settings.write()
    return settings


def invite(home: Path, site: str, root_certificate_file: Path | None = None) -> Invitation:
    """The invitation of a site, with all that it needs to reach and to believe this center.

    Args:
        home: the center's folder.
        site: the site's name.
        root_certificate_file: of the authority behind a proxy's certificate, where that is not our own.
    """
    settings = load(home)
    root = root_certificate_file.read_text() if root_certificate_file else root_certificate(home)
    key = public_text(coordinator_key(home).public_key())
    content = {"site": site, "address": settings.address, "root_certificate": root, "coordinator_key": key}
    try:
        invitation = Invitation(consortium=settings.consortium, **content)
    except ValidationError as error:
        text = f"the invitation is not valid: {in_words(error.errors())}"
        raise InputError(Code.INVALID_INPUT, text) from None
    Store(home).invite(site)
    return invitation


def enrol(home: Path, file: Path, *, new_keys: bool = False) -> Enrolment:
    """The enrolment of a site that was invited; a running center registers its key within a second.

    Args:
        new_keys: whether the site may come with other keys than before; its peers have to confirm them.

    Raises:
        InputError: not an enrolment, nobody invited the site, or its keys do not vouch for each other.
    """
    load(home)
    enrolment = Enrolment.read(file)
    check_masking_key(
        verifying_key(enrolment.signing_key), enrolment.masking_key, enrolment.masking_signature
    )
    Store(home).enrol(enrolment, new_keys=new_keys)
    return enrolment


def member_list(home: Path) -> MemberList:
    """The keys of all enrolled sites and what they said about each other, for people at the sites."""
    load(home)
    store, key = Store(home), public_text(coordinator_key(home).public_key())
    return MemberList(consortium=key, sites=store.site_keys(), statements=store.statements())


def keep_statements(home: Path, file: Path) -> int:
    """How many statements a site's file holds, which the center hands on from now on.

    Raises:
        InputError: not a file of statements, of another consortium, or a signature is not its site's.
    """
    found = MemberList.read(file)
    if found.consortium != public_text(coordinator_key(home).public_key()):
        raise InputError(Code.INVALID_INPUT, f"{file.name} is of another consortium")
    for one in found.statements:
        one.check()
    Store(home).keep_statements(found.statements)
    return len(found.statements)
