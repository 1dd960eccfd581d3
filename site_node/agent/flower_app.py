"""What a Flower message to a site looks like, and the stock ClientApp, which forwards its bytes to the agent.

The ClientApp is the fallback for a flwr whose private names have moved (see executor.py).
"""

import logging
from collections.abc import Callable
from pathlib import Path

from flwr.app import ConfigRecord, Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp

from protocols.core.errors import Code
from site_node.agent.agent_socket import ask_socket

Handle = Callable[[str, bytes], bytes]
"""(kind, sealed message) -> sealed answer."""

RECORD = "shadowgraph"
_APP_RAISED = 2  # flwr.common.constant.ErrorCode.CLIENT_APP_RAISED_EXCEPTION

log = logging.getLogger("shadowgraph.executor")


def reply_to(message: Message, handle: Handle) -> Message:
    """The agent's answer as a Flower message; whatever goes wrong leaves as a code, never as a text."""
    try:
        record = message.content[RECORD]
        answer = handle(str(record["kind"]), bytes(record["body"]))
        return Message(RecordDict({RECORD: ConfigRecord({"body": answer})}), reply_to=message)
    except Exception as error:
        log.error("a message was not answered: %s", type(error).__name__)
        return Message(Error(_APP_RAISED, str(Code.SITE_FAILED)), reply_to=message)


def build_client_app() -> ClientApp:
    """A ClientApp that asks the agent behind the socket named in the SuperNode's configuration."""
    app = ClientApp()

    def forward(message: Message, context: Context) -> Message:
        socket = Path(str(context.node_config["socket"]))
        return reply_to(message, lambda kind, sealed: ask_socket(socket, kind, sealed))

    app.query("shadowgraph")(forward)
    return app
