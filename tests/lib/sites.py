"""Builders of sites: a folder with settings and keys, and a coordinator that signs."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.core.wire import RoundQuestion, seal


@dataclass
class Coordinator:
    """Signs studies and questions, as the center does."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def proposal(self, study: Study) -> bytes:
        """The sealed study."""
        return seal(study.canonical(), self.key, "study")

    def question(self, question: RoundQuestion) -> bytes:
        """The sealed question."""
        return seal(question.encode(), self.key, "question")


def make_site(home: Path, name: str, coordinator: Coordinator) -> Ed25519PrivateKey:
    """Lays out a site's folder as `site init` and `site join` do; returns its signing key."""
    (home / "keys").mkdir(parents=True)
    (home / "site.toml").write_text(f'schema_version = 1\nname = "{name}"\n')
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (home / "keys" / "signing.key").write_bytes(pem)
    public = coordinator.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    (home / "consortium.json").write_text(json.dumps({"coordinator_key": base64.b64encode(public).decode()}))
    return key


def a_round(study: Study, *asks: Ask, number: int = 0, run: str = "r1", roster: str = "abc") -> RoundQuestion:
    """A question of one round to the sites named by single letters."""
    return RoundQuestion(study.hash(), run, number, tuple(roster), asks)
