"""Whoever clicks through a demo that stays: an open account at a side, and a link that signs it in once."""

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from protocols.runtime.accounts import people, secrets
from protocols.runtime.accounts.file import AccountFile
from protocols.runtime.accounts.machine import unix_user
from protocols.runtime.accounts.roles import CENTER_ROLES, SITE_ROLES, Role
from protocols.runtime.accounts.sign_in_links import sign_in_link

GUEST = "guest"
AT_CENTER = (Role.COORDINATOR, Role.ADMIN)
AT_SITE = (Role.APPROVER, Role.STEWARD, Role.ADMIN)


@dataclass(frozen=True)
class Guest:
    """A newcomer at one side.

    Attributes:
        link: signs them in once, within an hour.
        codes: what they give where a page asks for a code of their authenticator; each works once.
    """

    link: str
    codes: tuple[str, ...]


def guest(home: Path, address: str, *, at_center: bool) -> Guest:
    """A newcomer with an open account at the side that lives in `home` and is served at `address`."""
    roles: Sequence[Role] = AT_CENTER if at_center else AT_SITE
    file = AccountFile(home, CENTER_ROLES if at_center else SITE_ROLES)
    word = people.invite(file, GUEST, roles, by=unix_user()).word
    secret = people.opening(file, word).second_factor
    shown = TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(int(time.time())).decode()
    codes = people.open_account(file, word, secrets.new_word(), shown)
    return Guest(f"{address}/enter/{sign_in_link(file, GUEST)}", codes)
