"""Which actions of a site pages can ask for, with the role that each needs."""

from collections.abc import Mapping

from protocols.runtime.accounts import actions as accounts
from protocols.runtime.accounts.roles import Role
from protocols.runtime.action_socket import Served
from site_node.actions import data as data_actions
from site_node.actions import features, held, inbox, site
from site_node.desk import backups, data, governance, jobs, overview, studies

READ = "read"

ACTIONS: Mapping[str, Served] = {
    **accounts.ACTIONS,
    "overview.shown": Served(overview.shown, Role.READER, READ),
    "site.status": Served(site.status, Role.READER, READ),
    "inbox.listed": Served(inbox.listed, Role.READER, READ),
    "studies.shown": Served(studies.shown, Role.READER, READ),
    "inbox.simulate": Served(inbox.simulate, Role.APPROVER),
    "inbox.approve": Served(inbox.approve, Role.APPROVER, fresh=True),
    "inbox.refuse": Served(inbox.refuse, Role.APPROVER, fresh=True),
    "inbox.revoke": Served(inbox.revoke, Role.APPROVER, fresh=True),
    "data.status": Served(data_actions.status, Role.READER, READ),
    "data.quarantine": Served(data.quarantine, Role.READER, READ),
    "data.quality": Served(data.quality, Role.READER, READ),
    "data.codes": Served(data.codes, Role.READER, READ),
    "data.images": Served(features.image_status, Role.READER, READ),
    "data.genomics": Served(features.genomics_status, Role.READER, READ),
    "data.usagi": Served(data.usagi, Role.READER, READ),
    "data.map_lines": Served(data.map_lines, Role.STEWARD),
    "data.suggestions": Served(data.suggestions, Role.READER, READ),
    "jobs.places": Served(jobs.places, Role.STEWARD),
    "jobs.ask": Served(jobs.ask, Role.STEWARD),
    "backups.listed": Served(backups.listed, Role.ADMIN, READ),
    "backups.make": Served(jobs.back_up, Role.ADMIN, fresh=True),
    "jobs.stop": Served(jobs.stop, Role.STEWARD),
    "jobs.listed": Served(jobs.listed, Role.READER, READ),
    "jobs.shown": Served(jobs.shown, Role.READER, READ),
    "jobs.watch": Served(jobs.watch, Role.READER, READ, stream=True),
    "governance.left": Served(governance.left, Role.READER, READ),
    "governance.audit": Served(governance.audit, Role.READER, READ),
    "governance.policy": Served(governance.policy, Role.READER, READ),
    "governance.set_rule": Served(governance.set_rule, Role.APPROVER, fresh=True),
    "governance.peers": Served(governance.peers, Role.READER, READ),
    "governance.confirm_peer": Served(governance.confirm_peer, Role.APPROVER, fresh=True),
    "governance.remove_peer": Served(governance.remove_peer, Role.APPROVER, fresh=True),
    "held.listed": Served(held.listed, Role.READER, READ),
    "held.shown": Served(held.shown, Role.READER, READ),
    "held.release": Served(held.release, Role.APPROVER, fresh=True),
    "held.refuse": Served(held.refuse, Role.APPROVER, fresh=True),
    "inbox.standing": Served(inbox.standing, Role.READER, READ),
    "inbox.approve_standing": Served(inbox.approve_standing, Role.APPROVER, fresh=True),
    "inbox.withdraw_standing": Served(inbox.withdraw_standing, Role.APPROVER, fresh=True),
}
