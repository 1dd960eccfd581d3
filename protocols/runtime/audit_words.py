"""What people read of an audit, on either side."""

import json
from typing import Any

from protocols.runtime.audit_chain import AuditLines
from protocols.runtime.audit_mend import MendedAudit

Row = dict[str, Any]


def lines(shown: AuditLines) -> list[Row]:
    """One row per line, its facts as JSON."""
    return [
        {"at": one.at.isoformat()[:19], "event": one.event, "facts": json.dumps(dict(one.facts))}
        for one in shown.lines
    ]


def mended(audit: MendedAudit) -> Row:
    """What is lost, and where the file as found is."""
    mended = audit.mended
    return {
        "lines kept": mended.kept,
        "lines dropped": mended.dropped,
        "heads and answers lost": mended.lost,
        "file as found": str(mended.copy or "the same"),
        "next": "find out who changed it",
    }
