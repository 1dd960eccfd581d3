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

SCHEMA_VERSION = 1


def outcome_record(
    study: Study, outcome: Outcome, memory: Mapping[int, bytes], coordinator: Ed25519PublicKey
) -> bytes:
    """The record of an outcome as canonical JSON: equal outcomes give equal bytes."""
    return canonical_json(
        {
            "schema_version": SCHEMA_VERSION,
            "study": json.loads(study.canonical()),
            "study_hash": outcome.study,
            "coordinator_key": public_text(coordinator),
            "run": outcome.run,
            "sites": list(outcome.sites),
            "rounds": [_round(number, memory[number]) for number in sorted(memory)],
            "results": {name: _result(study, name, found) for name, found in outcome.results.items()},
        }
    )


def _result(study: Study, name: str, found: Any) -> dict[str, Any]:
    protocol = study.analysis(name).spec.protocol
    if isinstance(found, Failure):
        return {"protocol": protocol, "failure": {"code": str(found.code), "text": found.text}}
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
