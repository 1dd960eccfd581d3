"""What a person may do, as roles: an account has some, an action needs one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from protocols.core.errors import Code, ShadowgraphError
from protocols.runtime.accounts.machine import unix_user


class Role(StrEnum):
    """One kind of work: five are of a site, four of a center; every account is a member."""

    READER = "reader"
    STEWARD = "steward"
    APPROVER = "approver"
    CLINICIAN = "clinician"
    ADMIN = "admin"
    ANALYST = "analyst"
    COORDINATOR = "coordinator"
    AUDITOR = "auditor"
    MEMBER = "member"


SITE_ROLES = frozenset({Role.READER, Role.STEWARD, Role.APPROVER, Role.CLINICIAN, Role.ADMIN})
CENTER_ROLES = frozenset({Role.ANALYST, Role.COORDINATOR, Role.AUDITOR, Role.ADMIN})

# An admin makes accounts and neither approves studies nor sees a patient: whoever wants both has both roles.
IMPLIED: Mapping[Role, frozenset[Role]] = {
    Role.STEWARD: frozenset({Role.READER}),
    Role.APPROVER: frozenset({Role.READER}),
    Role.CLINICIAN: frozenset({Role.READER}),
    Role.ADMIN: frozenset({Role.READER, Role.AUDITOR}),
    Role.COORDINATOR: frozenset({Role.ANALYST, Role.AUDITOR}),
}


class Way(StrEnum):
    """How a person came to act."""

    UNIX = "unix"
    SESSION = "session"
    TOKEN = "token"


class NotAllowedError(ShadowgraphError):
    """The account lacks the role or the scope that an action needs."""


@dataclass(frozen=True)
class Actor:
    """Who acts: an account as it signed in, or the Unix user at the command line.

    Attributes:
        name: of the account, or of the Unix user.
        roles: those of the account, with what they imply.
        way: how it came to act.
        scopes: what a token may be used for; None where there is no limit.
    """

    name: str
    roles: frozenset[Role]
    way: Way
    scopes: frozenset[str] | None = None

    def may(self, role: Role) -> bool:
        """Whether it has the role."""
        return role in self.roles

    def need(self, role: Role, scope: str | None = None) -> None:
        """Returns if it has the role, and its token the scope.

        Raises:
            NotAllowedError: not-allowed, else.
        """
        if not self.may(role):
            raise NotAllowedError(Code.NOT_ALLOWED, f"this needs the role {role}", "ask an admin for it")
        if self.scopes is not None and scope not in self.scopes:
            raise NotAllowedError(
                Code.NOT_ALLOWED, f"this token was not made for that: {scope or 'signing in'}", "make another"
            )


def with_implied(roles: Iterable[Role]) -> frozenset[Role]:
    """The roles, and those that they include.

    Example:
        >>> " ".join(sorted(with_implied([Role.COORDINATOR])))
        'analyst auditor coordinator member'
    """
    own = frozenset(roles)
    return own.union({Role.MEMBER}, *(IMPLIED.get(role, frozenset()) for role in own))


def at_the_command_line(roles: frozenset[Role]) -> Actor:
    """The Unix user, who can open the folder and may therefore do everything that it allows."""
    return Actor(unix_user(), roles, Way.UNIX)
