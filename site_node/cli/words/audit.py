"""What people read of the audit."""

from typing import Any

from site_node.actions.audit import Chain, ExportedAudit, Heads, Releases

Row = dict[str, Any]


def chain(whole: Chain) -> Row:
    """A chain that is whole."""
    return {"lines": whole.lines, "chain": "whole", "heads of other sites found in it": whole.heads}


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
