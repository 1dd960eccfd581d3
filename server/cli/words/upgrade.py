"""What people read of an upgrade."""

from typing import Any

from protocols.core.errors import ExitCode
from protocols.runtime.output import Output
from protocols.runtime.upgrades import Upgrade

Row = dict[str, Any]


def stores(one: Upgrade) -> Row:
    """The stores, the checks, and what comes next."""
    changes = [f"{store.name}: {store.seen or 0} to {store.newest}" for store in one.stores]
    same = [f"{store.name}: {store.newest}" for store in one.stores]
    said = [
        change if store.seen != store.newest else keep
        for store, change, keep in zip(one.stores, changes, same, strict=True)
    ]
    state = "done" if one.is_done else "can be done" if one.is_ready else "cannot be done yet"
    return {
        "side": one.kind,
        "release": one.release,
        "upgrade": state,
        "stores": said,
        "backup": str(one.backup or ""),
        "checks": [
            {"check": c.what, "state": c.state, "found": c.found, "fix": "" if c.is_well else c.fix}
            for c in one.checks
        ],
    }


def upgraded(one: Upgrade) -> Output[Upgrade]:
    """An upgrade, and the exit code that says whether it is done or could be."""
    return Output(one, stores, ExitCode.DONE if one.is_ready or one.is_done else ExitCode.FAILED)
