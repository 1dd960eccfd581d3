"""The site's half, which only Flower's stock task runner imports: the installed forwarder to the agent."""

from site_node.agent.flower_app import build_client_app

app = build_client_app()
