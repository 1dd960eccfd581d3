"""The center's half: the installed coordinator."""

from server.coordination.flower_app import build_server_app

app = build_server_app()
