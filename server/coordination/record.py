"""What is kept of a finished run: one JSON record of the study, its sites, every round and all results."""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocols.core.lockstep import Failure
from protocols.core.protocol import plain
from protocols.core.study import Study, canonical_json
from protocols.exchange.envelope import digest, unpack
from protocols.exchange.keys import public_text
from protocols.exchange.rounds import Outcome

SCHEMA_VERSION = 2
"""The number of a record; those of version 1 do not say the way out of a failure."""


def outcome_record(
    study: Study,
    outcome: Outcome,
    memory: Mapping[int, bytes],
    coordinator: Ed25519PublicKey,
    version: int = SCHEMA_VERSION,
) -> bytes:
    """The record of an outcome as canonical JSON: equal outcomes give equal bytes, in each version."""
    return canonical_json(
        {
            "schema_version": version,
            "study": json.loads(study.canonical()),
            "study_hash": outcome.study,
            "coordinator_key": public_text(coordinator),
            "run": outcome.run,
            "sites": list(outcome.sites),
            "rounds": [_round(number, memory[number]) for number in sorted(memory)],
            "results": {
                name: _result(study, name, found, version) for name, found in outcome.results.items()
            },
        }
    )


def version_of(record: bytes) -> int:
    """The version in which a record was written; this release's, where its bytes are no record."""
    try:
        return 1 if json.loads(record)["schema_version"] == 1 else SCHEMA_VERSION
    except (ValueError, KeyError, TypeError):
        return SCHEMA_VERSION


def _result(study: Study, name: str, found: Any, version: int) -> dict[str, Any]:
    protocol = study.analysis(name).spec.protocol
    if isinstance(found, Failure):
        failure = {"code": str(found.code), "text": found.text}
        if version > 1:
            failure["fix"] = found.fix
        return {"protocol": protocol, "failure": failure}
    return {"protocol": protocol, "result": found.as_dict()}


def _round(number: int, joined: bytes) -> dict[str, Any]:
    """What the sites gave in one round, as it was joined: sums, answers in the clear, refusals."""
    kept = unpack(joined)
    return {
        "round": number,
        "question": kept["question"],
        "sha256": digest(joined),
        "joined": [plain(part) for part in kept["joined"]],
    }
