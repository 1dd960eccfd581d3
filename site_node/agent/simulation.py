"""A study on this site's data alone, for the person who decides. Nothing of it leaves the site."""

from pathlib import Path
from typing import Any

from protocols.core.lockstep import Failure
from protocols.exchange.local import run_locally
from site_node.governance import approvals, audit
from site_node.governance.policy import read_policy
from site_node.home import config
from site_node.home.cdm import open_cdm
from site_node.study_table.build import build_table


def simulate(home: Path, reference: str) -> dict[str, Any]:
    """Whom a proposed study finds here, rule by rule, and which of its analyses this site could answer."""
    study = approvals.find(home, reference)
    settings = config.load(home)
    built = build_table(open_cdm(settings), study, settings.name)
    alone = study.model_copy(update={"min_sites": 1})
    outcome = run_locally(alone, [built.table], thresholds=read_policy(home).thresholds)
    missing = {
        name: int((column != column).sum()) for name, column in built.table.columns.items()
    }  # NaN is the one value that differs from itself
    audit.record(home, "study-simulated", study=study.hash())
    return {
        "people in the cohort": len(built.table),
        "attrition": [{"rule": rule, "people": count} for rule, count in built.attrition],
        "missing values": missing,
        "analyses": {
            name: f"could not be answered here alone: {found.code}" if isinstance(found, Failure) else "ok"
            for name, found in outcome.results.items()
        },
    }
