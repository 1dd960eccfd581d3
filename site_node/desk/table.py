"""Which actions of a site pages can ask for, with the role that each needs."""

from collections.abc import Mapping

from protocols.runtime.accounts import actions as accounts
from protocols.runtime.accounts.roles import Role
from protocols.runtime.action_socket import Served
from site_node.actions import inbox, people, site
from site_node.desk import overview, studies

READ = "read"

ACTIONS: Mapping[str, Served] = {
    **accounts.ACTIONS,
    "accounts.invite": Served(people.invite, Role.ADMIN, fresh=True),
    "accounts.give_roles": Served(people.give_roles, Role.ADMIN, fresh=True),
    "accounts.disable": Served(people.disable, Role.ADMIN, fresh=True),
    "overview.shown": Served(overview.shown, Role.READER, READ),
    "site.status": Served(site.status, Role.READER, READ),
    "inbox.listed": Served(inbox.listed, Role.READER, READ),
    "studies.shown": Served(studies.shown, Role.READER, READ),
    "inbox.simulate": Served(inbox.simulate, Role.APPROVER),
    "inbox.approve": Served(inbox.approve, Role.APPROVER, fresh=True),
    "inbox.refuse": Served(inbox.refuse, Role.APPROVER, fresh=True),
    "inbox.revoke": Served(inbox.revoke, Role.APPROVER, fresh=True),
    "inbox.standing": Served(inbox.standing, Role.READER, READ),
    "inbox.approve_standing": Served(inbox.approve_standing, Role.APPROVER, fresh=True),
    "inbox.withdraw_standing": Served(inbox.withdraw_standing, Role.APPROVER, fresh=True),
}
