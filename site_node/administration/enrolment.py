"""How a site joins a consortium: it takes the invitation and answers with its own public keys."""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from protocols.core.errors import Code, InputError
from protocols.core.secret_files import write_secret
from protocols.exchange.enrolment import Enrolment, Invitation
from protocols.exchange.keys import masking_key, public_text, sign_masking_key, signing_key
from site_node.home.config import load
from site_node.home.membership import CONSORTIUM, consortium

RUNTIME_SECRET = "keys/runtime.secret"
"""By which SuperNode and agent know each other on loopback."""
AGENT_READY = "run/agent.ready"
"""Made by the agent when it can answer."""


def join(home: Path, invitation: Path) -> Enrolment:
    """The site's answer to an invitation, which it keeps; its keys are made where they do not exist.

    Joining the same consortium again gives the same answer.

    Raises:
        InputError: the invitation is for another site, or the site belongs to another consortium.
    """
    settings = load(home)
    invited = Invitation.read(invitation)
    if invited.site != settings.name:
        raise InputError(
            Code.INVALID_INPUT, f"the invitation is for site {invited.site!r}, this is {settings.name!r}"
        )
    kept = home / CONSORTIUM
    if kept.is_file() and Invitation.read(kept).coordinator_key != invited.coordinator_key:
        raise InputError(
            Code.ALREADY_EXISTS,
            "this site belongs to another consortium",
            f"use another site folder, or remove {CONSORTIUM} if you mean to leave it",
        )
    invited.write(kept)
    (home / AGENT_READY).parent.mkdir(exist_ok=True, mode=0o700)  # systemd hands it to the SuperNode
    if not (home / RUNTIME_SECRET).exists():
        write_secret(home / RUNTIME_SECRET, secrets.token_bytes(32))
    return enrolment(home, settings.name)


def renew(home: Path) -> Enrolment:
    """The site's public keys after new ones were made to sign, to mask and to connect; the earlier ones stay.

    Raises:
        InputError: the site has not joined a consortium.
    """
    consortium(home)
    for name in ("signing.key", "masking.key", "node"):
        path = home / "keys" / name
        count = len(list(path.parent.glob(f"{name}.replaced-*")))
        path.rename(path.with_name(f"{name}.replaced-{count + 1}"))
    return enrolment(home, load(home).name)


def enrolment(home: Path, name: str) -> Enrolment:
    """The public keys of the site in `home`."""
    keys = home / "keys"
    signing, masking = signing_key(keys / "signing.key"), masking_key(keys / "masking.key")
    return Enrolment(
        site=name,
        node_key=_node_key(keys / "node"),
        signing_key=public_text(signing.public_key()),
        masking_key=public_text(masking.public_key()),
        masking_signature=sign_masking_key(signing, masking.public_key()),
    )


def _node_key(path: Path) -> str:
    """The public half of the key with which the SuperNode signs its requests, in OpenSSH form."""
    if not path.exists():
        made = ec.generate_private_key(ec.SECP384R1())
        write_secret(path, made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key = load_ssh_private_key(path.read_bytes(), None)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
