"""Which actions of a center pages and programs can ask for, with the role and the scope that each needs."""

from collections.abc import Mapping

from protocols.runtime.accounts import actions as accounts
from protocols.runtime.accounts.roles import Role
from protocols.runtime.action_socket import Served
from server.actions import network
from server.desk import backups, catalogue, models, progress, sites, studies

READ, SUBMIT = "read", "submit"

ACTIONS: Mapping[str, Served] = {
    **accounts.ACTIONS,
    "sites.listed": Served(studies.sites, Role.MEMBER, READ),
    "sites.invite": Served(sites.invite, Role.COORDINATOR, fresh=True),
    "sites.enrol": Served(sites.enrol, Role.COORDINATOR, fresh=True),
    "sites.suspend": Served(network.suspend, Role.COORDINATOR, fresh=True),
    "sites.resume": Served(network.resume, Role.COORDINATOR, fresh=True),
    "sites.remove": Served(network.remove, Role.COORDINATOR, fresh=True),
    "center.status": Served(network.status, Role.COORDINATOR, READ),
    "studies.check": Served(studies.check, Role.ANALYST, READ),
    "studies.preflight": Served(studies.preflight, Role.ANALYST, SUBMIT),
    "studies.preflight_answer": Served(studies.preflight_answer, Role.ANALYST, READ),
    "studies.file": Served(studies.file_of, Role.MEMBER, READ),
    "studies.begin": Served(studies.begin, Role.ANALYST, SUBMIT),
    "studies.submit": Served(studies.submit, Role.ANALYST, SUBMIT),
    "studies.listed": Served(studies.listed, Role.MEMBER, READ),
    "studies.shown": Served(studies.shown, Role.MEMBER, READ),
    "studies.watch": Served(studies.watch, Role.MEMBER, READ, stream=True),
    "studies.withdraw": Served(studies.withdraw, Role.ANALYST, SUBMIT),
    "studies.report": Served(studies.report, Role.MEMBER, READ),
    "studies.verify": Served(studies.verify, Role.MEMBER, READ),
    "studies.example": Served(studies.example, Role.ANALYST, READ),
    "studies.attempt": Served(catalogue.attempt, Role.ANALYST, READ),
    "runs.progress": Served(progress.progress, Role.MEMBER, READ),
    "approvals.board": Served(catalogue.board, Role.MEMBER, READ),
    "catalogue.ask": Served(catalogue.ask, Role.ANALYST, SUBMIT),
    "catalogue.listed": Served(catalogue.listed, Role.MEMBER, READ),
    "queries.ask": Served(studies.query, Role.ANALYST, SUBMIT),
    "queries.attrition": Served(studies.attrition, Role.ANALYST, SUBMIT),
    "queries.answer": Served(studies.answer, Role.MEMBER, READ),
    "backups.listed": Served(backups.listed, Role.ADMIN, READ),
    "backups.make": Served(backups.make, Role.ADMIN, fresh=True),
    "models.listed": Served(models.listed, Role.MEMBER, READ),
    "models.shown": Served(models.shown, Role.MEMBER, READ),
    "models.file": Served(models.file_of, Role.MEMBER, READ),
    "models.register": Served(models.register, Role.ANALYST, SUBMIT),
    "models.release": Served(models.release, Role.COORDINATOR, fresh=True),
    "models.withdraw": Served(models.withdraw, Role.COORDINATOR, fresh=True),
}
