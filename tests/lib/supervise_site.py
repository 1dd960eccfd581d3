"""Supervises a site of tests/lib/federation.py: `supervise_site.py HOME FAULT STOCK`."""

import dataclasses
import sys
from pathlib import Path

from protocols.runtime.daemons import Service, Supervisor
from site_node.administration.processes import RUN, services

home, fault, stock = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "stock"
agent = str(Path(__file__).with_name("table_agent.py"))


def _with_drawn_tables(service: Service) -> Service:
    if service.name != "agent":
        return service
    command = (sys.executable, agent, *service.command[3:])  # in place of `-m site_node.agent.executor`
    return dataclasses.replace(
        service, command=command, environment={**service.environment, "SHADOWGRAPH_TEST_FAULT": fault}
    )


Supervisor(home / RUN, [_with_drawn_tables(service) for service in services(home, stock=stock)]).run()
