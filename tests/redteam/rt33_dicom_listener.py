"""RT33: a caller whom the DICOM listener does not know sends one association request that never ends."""

import contextlib
import socket
import struct
from pathlib import Path

from site_node.sources.pacs import messages
from tests.lib.lying_coordinator import weaken
from tests.redteam.attack import Figure, attack

MEBIBYTES = 128
BUFFERED = 16
"""What the sockets of both sides hold, at most, when the other one reads no more."""


@attack(
    "RT33",
    "one DICOM association request of gigabytes, from a caller without a title",
    works_from=MEBIBYTES,
    holds_to=BUFFERED,
    needs="pynetdicom",
)
def endless_request(folder: Path, weakened: bool) -> Figure:
    with (
        weaken(messages, "_bound_pdus", lambda event: None, weakened),
        messages.listening("SITE", "", 0, ["PACS"], lambda data: None) as server,
        socket.create_connection(server.server_address, timeout=10) as caller,
    ):
        caller.sendall(struct.pack(">BBL", 1, 0, 2**32 - 1))  # an A-ASSOCIATE-RQ of 4 GiB
        taken = 0
        with contextlib.suppress(OSError):
            while taken < MEBIBYTES:
                caller.sendall(bytes(2**20))
                taken += 1
        return Figure(taken, f"of {MEBIBYTES} MiB of a stranger taken")
