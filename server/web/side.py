"""What makes the pages of a center its own: its menu, the roles and scopes that an account can have."""

from protocols.runtime.accounts.roles import Role
from protocols.runtime.web.side import Entry, Side
from server.web.api import COOKIE

MENU = (
    Entry("Studies", "/studies", Role.MEMBER, group="Studies"),
    Entry("New study", "/draft", Role.ANALYST, group="Studies"),
    Entry("Approvals", "/approvals", Role.MEMBER, group="Studies"),
    Entry("Models", "/models", Role.MEMBER, group="Studies"),
    Entry("Catalogue", "/catalogue", Role.MEMBER, group="Ask and look"),
    Entry("Cohort", "/cohorts", Role.ANALYST, group="Ask and look"),
    Entry("Questions", "/questions", Role.MEMBER, group="Ask and look"),
    Entry("Network", "/network", Role.MEMBER, group="Consortium"),
    Entry("Profile", "/profile", Role.MEMBER, group="Consortium"),
    Entry("Accounts", "/accounts", Role.ADMIN, group="Consortium"),
    Entry("Backups", "/backups", Role.ADMIN, group="Consortium"),
)
ROLES = {
    Role.ANALYST: "asks with studies and queries of their own",
    Role.COORDINATOR: "sees all studies and looks after the sites",
    Role.AUDITOR: "sees all studies and changes nothing",
    Role.ADMIN: "looks after accounts and backups",
}
SCOPES = {"read": "read studies and results", "submit": "submit studies and queries"}


def center_side(name: str) -> Side:
    """The pages of the center of that name."""
    return Side(name, "center", "server.web", MENU, ROLES, SCOPES, COOKIE)
