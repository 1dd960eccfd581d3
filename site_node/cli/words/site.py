"""What people read of a site."""

from typing import Any

from site_node.actions.site import AcceptedClock, JoinedSite, MadeSite, RenewedSite, SiteStatus, StoppedSite
from site_node.administration.backup import BackedUp, Restored
from site_node.administration.processes import REACHED

Row = dict[str, Any]


def made(site: MadeSite) -> Row:
    """A new site, and what comes next."""
    return {
        "site": site.name,
        "home": str(site.home),
        "database": site.database,
        "next": "shadowgraph data add ..., and shadowgraph site join INVITATION",
    }


def joined(site: JoinedSite) -> Row:
    """Both fingerprints, and what the coordinator does with the answer."""
    name = site.answer.name
    return {
        "consortium": site.consortium,
        "center": site.center,
        "coordinator's fingerprint": site.coordinator_fingerprint,
        "answer": str(site.answer),
        "this site's fingerprint": site.fingerprint,
        "next": f"hand {name} to the coordinator (shadowgraph network enrol); then shadowgraph site peers",
    }


def renewed(site: RenewedSite) -> Row:
    """The new fingerprint, and who has to know it."""
    name = site.answer.name
    return {
        "site": site.site,
        "fingerprint": site.fingerprint,
        "answer": str(site.answer),
        "next": f"at the center: shadowgraph network enrol {name} --new-keys; two other sites confirm it",
    }


def status(site: SiteStatus) -> Row:
    """A site's consortium, its processes, and whether the center is reached."""
    return {
        "site": site.site,
        "consortium": site.consortium or "none yet: shadowgraph site join INVITATION",
        "state": "running" if site.is_running else "stopped",
        "center": REACHED[site.center],
        "processes": [
            {"process": one.name, "pid": one.pid, "state": one.state, "restarts": one.restarts}
            for one in site.processes
        ],
    }


def accepted_clock(site: AcceptedClock) -> Row:
    """How many decisions are to be made again."""
    return {"approvals taken back": site.approvals_taken_back, "next": "approve again what shall go on"}


def stopped(site: StoppedSite) -> Row:
    """A site without processes."""
    return {"state": "stopped" if site.was_running else "was not running"}


def backed_up(made: BackedUp) -> Row:
    """A backup, and whether the CDM is in it."""
    inside = made.database
    return {
        "site": made.site,
        "backup": str(made.archive),
        "files": made.files,
        "bytes": made.bytes,
        "database": f"{inside}, in the backup" if inside else "not in it: back it up by its own tools",
    }


def restored(made: Restored) -> Row:
    """A restored site, and what comes next."""
    return {
        "site": made.site,
        "home": str(made.home),
        "files": made.files,
        "approvals taken back": made.approvals_taken_back,
        "next": "shadowgraph audit verify; shadowgraph site start; approve again what shall go on",
    }
