"""What people read of the other sites."""

from typing import Any

from site_node.actions.peers import Peers

Row = dict[str, Any]


def peers(known: Peers) -> Row:
    """This site's fingerprint, and one row per other site."""
    return {
        "this site's fingerprint": known.fingerprint,
        "sites": [
            {
                "site": one.site,
                "fingerprint": one.fingerprint,
                "state": "member" if one.is_member else "not a member yet",
                "confirmed by": ", ".join(one.confirmed_by) or "nobody",
            }
            for one in known.sites
        ],
    }


def told(known: Peers) -> Row:
    """The same, and where what this site said goes."""
    return peers(known) | {
        "file": str(known.file),
        "next": "hand it to the coordinator (shadowgraph network confirm); a running site also sends it",
    }
