"""What people read of the network."""

import time
from typing import Any

from server.actions.audit import Chain
from server.actions.network import (
    CenterStatus,
    ChangedSite,
    EnrolledSite,
    KeptStatements,
    MadeCenter,
    RenewedCertificate,
    SiteEntry,
    SiteList,
    StoppedCenter,
    WrittenHeads,
    WrittenInvitation,
    WrittenMembers,
)
from server.administration.backup import BackedUp, Restored

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


def changed(site: ChangedSite) -> Row:
    """A site that was suspended, resumed or removed, and what comes next."""
    what_next = {
        "suspended": f"shadowgraph network resume {site.name}, once it may be asked again",
        "resumed": "shadowgraph network sites",
        "removed": f"at two other sites: shadowgraph site peers remove {site.name}",
    }
    return {"site": site.name, "state": site.state, "next": what_next[site.state]}


def renewed(certificate: RenewedCertificate) -> Row:
    """Until when the new certificate holds, and what comes next."""
    return {
        "certificate ends": certificate.ends.date().isoformat(),
        "next": "shadowgraph network stop, shadowgraph network start; reload a proxy that shows it",
    }


def chain(whole: Chain) -> Row:
    """A chain that is whole."""
    return {"lines": whole.lines, "chain": "whole"}


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


def backed_up(backup: BackedUp) -> Row:
    """What is in a backup."""
    return {"archive": str(backup.archive), "files": backup.files, "bytes": backup.bytes}


def restored(center: Restored) -> Row:
    """A restored center, and what comes next."""
    return {
        "consortium": center.consortium,
        "home": str(center.home),
        "files": center.files,
        "studies that go on": center.open_studies,
        "next": f"shadowgraph network start --home {center.home}",
    }


def _site(one: SiteEntry) -> Row:
    return {
        "site": one.name,
        "state": "suspended" if one.is_suspended else "enrolled" if one.is_enrolled else "invited",
        "online": "yes" if one.is_online else "no",
        "seen": "never" if one.seen_at is None else f"{time.time() - one.seen_at.timestamp():.0f} s ago",
        "fingerprint": one.fingerprint,
    }
