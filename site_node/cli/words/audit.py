"""What people read of the audit."""

import json
from typing import Any

from site_node.actions.audit import AuditLines, Chain, ExportedAudit, Heads, MendedAudit, Releases

Row = dict[str, Any]


def lines(shown: AuditLines) -> list[Row]:
    """One row per line, its facts as JSON."""
    return [
        {"at": one.at.isoformat()[:19], "event": one.event, "facts": json.dumps(dict(one.facts))}
        for one in shown.lines
    ]


def chain(whole: Chain) -> Row:
    """A chain that is whole."""
    return {"lines": whole.lines, "chain": "whole", "heads of other sites found in it": whole.heads}


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


def heads(kept: Heads) -> list[Row]:
    """One row per other site."""
    return [{"site": site, "heads": count, "file": str(kept.file or "")} for site, count in kept.kept.items()]


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
