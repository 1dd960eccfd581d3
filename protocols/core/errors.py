"""The coded errors of both sides. A code crosses the wire; a text never does and holds no row's value."""

from enum import IntEnum, StrEnum
from pathlib import PurePath


class ExitCode(IntEnum):
    """What the command line returns to its shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    INVALID_INPUT = 4
    UNREACHABLE = 5
    PARTIAL = 6


class Code(StrEnum):
    """Why a site or a study did not answer: the whole vocabulary that may cross the wire."""

    # the question is wrong
    INVALID_STUDY = "invalid-study"
    UNKNOWN_PROTOCOL = "unknown-protocol"
    UNKNOWN_STEP = "unknown-step"
    UNKNOWN_VARIABLE = "unknown-variable"
    MALFORMED_MESSAGE = "malformed-message"
    # this site does not answer it
    BAD_SIGNATURE = "bad-signature"
    NOT_APPROVED = "not-approved"
    APPROVAL_PENDING = "approval-pending"
    APPROVAL_EXPIRED = "approval-expired"
    APPROVAL_REVOKED = "approval-revoked"
    REFUSED_BY_POLICY = "refused-by-policy"
    BUDGET_SPENT = "budget-spent"
    ALREADY_ANSWERED = "already-answered"
    WITHHELD = "withheld"
    SITE_FAILED = "site-failed"
    AUDIT_DAMAGED = "audit-damaged"
    UNCONFIRMED_SITE = "unconfirmed-site"
    # the study cannot go on
    TOO_FEW_SITES = "too-few-sites"
    SITE_UNREACHABLE = "site-unreachable"
    CENTER_FAILED = "center-failed"
    DEADLINE = "deadline"
    NOT_CONVERGED = "not-converged"
    SEPARATION = "separation"
    RANK_DEFICIENT = "rank-deficient"
    # the input of a command
    INVALID_INPUT = "invalid-input"
    NOT_FOUND = "not-found"
    SOURCE_UNREACHABLE = "source-unreachable"
    NOT_INITIALISED = "not-initialised"
    MISSING_EXTRA = "missing-extra"
    ALREADY_EXISTS = "already-exists"
    TAMPERED = "tampered"
    NEWER_VERSION = "newer-version"
    CLOCK_SET_BACK = "clock-set-back"
    # who asks
    NOT_SIGNED_IN = "not-signed-in"
    NOT_ALLOWED = "not-allowed"
    TOO_MANY_TRIES = "too-many-tries"


class ShadowgraphError(Exception):
    """An error with a code, a text for people and a way out.

    The text names arguments, columns, files and rules, never a value from a row.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, code: Code, text: str, fix: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]" + (f"\n  {self.fix}" if self.fix else "")


class InputError(ShadowgraphError):
    """What a person or a file gave is not usable."""

    exit_code = ExitCode.INVALID_INPUT


def not_found(path: PurePath, what: str = "file", fix: str = "") -> InputError:
    """The error that there is no such file; it names the file without its folders."""
    return InputError(Code.NOT_FOUND, f"there is no {what} {path.name}", fix)


class SpecError(InputError):
    """The question itself is wrong: no site could answer it."""


class SiteError(ShadowgraphError):
    """This site withheld its answer or failed; the code is all that leaves."""

    exit_code = ExitCode.REFUSED


class StudyError(ShadowgraphError):
    """The study cannot go on: too few sites, no convergence, a deadline."""


class UnreachableError(ShadowgraphError):
    """The other side did not answer."""

    exit_code = ExitCode.UNREACHABLE
