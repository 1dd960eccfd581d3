"""What makes the pages of a site its own: its menu, and the roles that an account can have."""

from protocols.runtime.accounts.roles import Role
from protocols.runtime.web.side import Entry, Side

MENU = (
    Entry("Overview", "/", Role.READER),
    Entry("Inbox", "/studies", Role.READER, group="Studies"),
    Entry("Held answers", "/held", Role.READER, group="Studies"),
    Entry("Standing approvals", "/standing", Role.READER, group="Studies"),
    Entry("What left", "/left", Role.READER, group="Studies"),
    Entry("Data", "/data", Role.READER, group="Data"),
    Entry("Images", "/images", Role.READER, group="Data"),
    Entry("Genomic tests", "/genomics", Role.READER, group="Data"),
    Entry("Quality", "/quality", Role.READER, group="Data"),
    Entry("Codes to map", "/mapping", Role.READER, group="Data"),
    Entry("Policy", "/policy", Role.READER, group="Site"),
    Entry("Other sites", "/peers", Role.READER, group="Site"),
    Entry("Audit", "/audit", Role.READER, group="Site"),
    Entry("Accounts", "/accounts", Role.ADMIN, group="Site"),
    Entry("Backups", "/backups", Role.ADMIN, group="Site"),
)
ROLES = {
    Role.READER: "sees all pages and changes nothing",
    Role.STEWARD: "loads, maps and looks after data",
    Role.APPROVER: "decides about studies and the policy",
    Role.CLINICIAN: "sees patients of this hospital",
    Role.ADMIN: "looks after accounts and backups",
}


def site_side(name: str) -> Side:
    """The pages of the site of that name."""
    return Side(name, "site", "site_node.web", MENU, ROLES, {}, f"__Host-{name}")
