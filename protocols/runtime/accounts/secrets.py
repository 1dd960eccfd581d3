"""Secrets of accounts: passwords by Argon2id, words that work once, second factors by RFC 6238."""

import base64
import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from protocols.core.errors import Code, InputError

SHORTEST_PASSWORD, LONGEST_PASSWORD = 12, 256
RECOVERY_CODES = 10
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""A code of the step before or after is good too: clocks differ by some seconds."""

_HASHER = PasswordHasher()  # the library's defaults are RFC 9106's second choice: 3 passes, 64 MiB
_NOBODY = _HASHER.hash(secrets.token_urlsafe())


def new_word() -> str:
    """A word of 256 random bits that nobody guesses: a session, an invitation, a token."""
    return secrets.token_urlsafe(32)


def digest(word: str) -> str:
    """What is kept of a random word; not for passwords, which can be guessed."""
    return hashlib.sha256(word.encode()).hexdigest()


def hash_password(password: str) -> str:
    """What is kept of a password.

    Raises:
        InputError: invalid-input; it is too short, or too long.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InputError(
            Code.INVALID_INPUT,
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters",
            "choose four words that do not belong together",
        )
    return _HASHER.hash(password)


def is_password(password: str, kept: str | None) -> bool:
    """Whether it is the password; of an account that is not there it takes as long to say no."""
    try:
        return _HASHER.verify(kept or _NOBODY, password[: LONGEST_PASSWORD + 1]) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def new_second_factor() -> str:
    """A secret for an authenticator, in Base32."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def authenticator_address(secret: str, account: str, issuer: str) -> str:
    """The otpauth address of a secret, which an authenticator reads from a picture or a link."""
    return _totp(secret).get_provisioning_uri(account, issuer)


def step_of_code(secret: str, code: str, now: float, after: int) -> int | None:
    """The time step whose code this is, if it is one of now and later than step `after`; else None.

    A code works once: whoever saw it typed cannot use it again (RFC 6238, section 5.2).
    """
    totp, current = _totp(secret), int(now // STEP_SECONDS)
    for step in range(max(after + 1, current - DRIFT_STEPS), current + DRIFT_STEPS + 1):
        try:
            totp.verify(code.strip().encode(), step * STEP_SECONDS)
        except InvalidToken:
            continue
        return step
    return None


def recovery_codes() -> tuple[str, ...]:
    """Codes that stand in for an authenticator that was lost, each good once."""
    return tuple(f"{secrets.token_hex(4)}-{secrets.token_hex(4)}" for _ in range(RECOVERY_CODES))


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), 6, SHA1(), STEP_SECONDS)
