"""Which actions of a center pages and programs can ask for, with the role and the scope that each needs."""

from collections.abc import Mapping

from protocols.runtime.accounts import actions as accounts
from protocols.runtime.accounts.roles import Role
from protocols.runtime.action_socket import Served
from server.actions import desk, network

READ, SUBMIT = "read", "submit"
SCOPES = {READ: "look at sites, studies and results", SUBMIT: "submit, ask and stop"}

ACTIONS: Mapping[str, Served] = {
    **accounts.ACTIONS,
    "sites.listed": Served(desk.sites, Role.MEMBER, READ),
    "center.status": Served(network.status, Role.COORDINATOR, READ),
    "studies.check": Served(desk.check, Role.ANALYST, READ),
    "studies.submit": Served(desk.submit, Role.ANALYST, SUBMIT),
    "studies.listed": Served(desk.listed, Role.MEMBER, READ),
    "studies.shown": Served(desk.shown, Role.MEMBER, READ),
    "studies.watch": Served(desk.watch, Role.MEMBER, READ, stream=True),
    "studies.withdraw": Served(desk.withdraw, Role.ANALYST, SUBMIT),
    "studies.report": Served(desk.report, Role.MEMBER, READ),
    "studies.verify": Served(desk.verify, Role.MEMBER, READ),
    "queries.ask": Served(desk.query, Role.ANALYST, SUBMIT),
    "queries.answer": Served(desk.answer, Role.MEMBER, READ),
}
