"""What people read of the audit."""

import json
from typing import Any

from site_node.actions.audit import AuditLines, Chain, ExportedAudit, Releases

Row = dict[str, Any]


def lines(shown: AuditLines) -> list[Row]:
    """One row per line, its facts as JSON."""
    return [
        {"at": one.at.isoformat()[:19], "event": one.event, "facts": json.dumps(dict(one.facts))}
        for one in shown.lines
    ]


def chain(whole: Chain) -> Row:
    """A chain that is whole."""
    return {"lines": whole.lines, "chain": "whole"}


def releases(left: Releases) -> list[Row]:
    """One row per answer."""
    return [
        {
            "study": one.study[:16],
            "run": one.run,
            "round": one.round,
            "bytes": one.bytes,
            "sha256": one.sha256,
            "answered": one.answered_at.isoformat()[:19],
        }
        for one in left.answers
    ]


def exported(audit: ExportedAudit) -> Row:
    """Where the audit lies now."""
    return {"lines": audit.lines, "file": str(audit.file)}
