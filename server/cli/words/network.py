"""What people read of the network."""

import time
from typing import Any

from server.actions.network import (
    CenterStatus,
    EnrolledSite,
    KeptStatements,
    MadeCenter,
    SiteEntry,
    SiteList,
    StoppedCenter,
    WrittenHeads,
    WrittenInvitation,
    WrittenMembers,
)

Row = dict[str, Any]


def made(center: MadeCenter) -> Row:
    """A new center, and what comes next."""
    return {
        "consortium": center.consortium,
        "home": str(center.home),
        "address": center.address,
        "next": "shadowgraph network invite SITE, then shadowgraph network start",
    }


def invitation(written: WrittenInvitation) -> Row:
    """An invitation, and what the site does with it."""
    return {
        "invitation": str(written.path),
        "site": written.site,
        "coordinator's fingerprint": written.coordinator_fingerprint,
        "next": f"at the site: shadowgraph site join {written.path.name}",
    }


def enrolled(site: EnrolledSite) -> Row:
    """A site that was enrolled."""
    return {"site": site.name, "state": "enrolled", "fingerprint": site.fingerprint}


def members(written: WrittenMembers) -> Row:
    """Whose keys are in the list, and what sites do with it."""
    return {
        "sites": ", ".join(written.sites),
        "statements": written.statements,
        "file": str(written.path),
        "next": f"at each site: shadowgraph site peers list --list {written.path.name}; compare fingerprints",
    }


def confirmed(kept: KeptStatements) -> Row:
    """How many statements were read."""
    return {
        "statements": kept.statements,
        "next": "sites get them with the next proposal",
    }


def heads(written: WrittenHeads) -> Row:
    """What is kept of a site's audit, and what the site does with it."""
    return {
        "site": written.site,
        "heads": written.heads,
        "file": str(written.path),
        "next": f"at the site: shadowgraph audit verify --heads {written.path.name}",
    }


def sites(listed: SiteList) -> list[Row]:
    """One row per site."""
    return [_site(one) for one in listed.sites]


def center(status: CenterStatus) -> Row:
    """A center's processes and sites."""
    return {
        "consortium": status.consortium,
        "address": status.address,
        "SuperLink": "answers" if status.superlink_answers else "does not answer",
        "coordinator": "at work" if status.is_coordinated else "none",
        "processes": [
            {"process": one.name, "pid": one.pid, "state": one.state, "restarts": one.restarts}
            for one in status.processes
        ],
        "sites": [_site(one) for one in status.sites],
    }


def stopped(center: StoppedCenter) -> Row:
    """A center without processes."""
    return {"state": "stopped" if center.was_running else "was not running"}


def _site(one: SiteEntry) -> Row:
    return {
        "site": one.name,
        "state": "enrolled" if one.is_enrolled else "invited",
        "online": "yes" if one.is_online else "no",
        "seen": "never" if one.seen_at is None else f"{time.time() - one.seen_at.timestamp():.0f} s ago",
        "fingerprint": one.fingerprint,
    }
