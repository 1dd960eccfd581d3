"""Builders of sites: a folder with settings and keys, and a coordinator that signs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocols.core.protocol import Ask
from protocols.core.study import Study
from protocols.exchange.enrolment import Invitation
from protocols.exchange.keys import masking_key, public_text, sign_masking_key, signing_key
from protocols.exchange.proposal import Proposal, SiteKeys
from protocols.exchange.wire import RoundMessage, RoundQuestion, seal


@dataclass
class Coordinator:
    """Signs studies and questions, as the center does."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sites: dict[str, SiteKeys] = field(default_factory=dict)

    def meet(self, *names: str) -> None:
        """Enrols sites of which there are only keys."""
        for name in names:
            self.sites[name] = site_keys(Ed25519PrivateKey.generate(), X25519PrivateKey.generate())

    def proposal(self, study: Study) -> bytes:
        """The sealed proposal of a study to the sites that this coordinator has met."""
        sealed = seal(study.canonical(), self.key, "study")
        return seal(Proposal(sealed, self.sites).encode(), self.key, "proposal")

    def question(self, question: RoundQuestion) -> bytes:
        """The sealed question, with the masking keys of its roster as far as this coordinator knows them."""
        keys = {site: self.sites[site].masking_key for site in question.roster if site in self.sites}
        return self.plain_question(replace(question, keys=keys))

    def plain_question(self, question: RoundQuestion, relayed: Mapping[str, bytes] | None = None) -> bytes:
        """The sealed question as it is, with what sites signed in the round before."""
        return seal(RoundMessage(question.encode(), relayed or {}).encode(), self.key, "question")


def site_keys(signing: Ed25519PrivateKey, masking: X25519PrivateKey) -> SiteKeys:
    """The public keys of a site."""
    public = masking.public_key()
    return SiteKeys(public_text(signing.public_key()), public_text(public), sign_masking_key(signing, public))


def make_site(home: Path, name: str, coordinator: Coordinator) -> Ed25519PrivateKey:
    """Lays out a site's folder as `site init` and `site join` do; returns its signing key."""
    (home / "keys").mkdir(parents=True)
    (home / "site.toml").write_text(f'schema_version = 1\nname = "{name}"\n')
    key = signing_key(home / "keys" / "signing.key")
    coordinator.sites[name] = site_keys(key, masking_key(home / "keys" / "masking.key"))
    Invitation(
        consortium="Test",
        site=name,
        address="127.0.0.1:9092",
        root_certificate="-----BEGIN CERTIFICATE-----",
        coordinator_key=public_text(coordinator.key.public_key()),
    ).write(home / "consortium.json")
    return key


def a_round(study: Study, *asks: Ask, number: int = 0, run: str = "r1", roster: str = "abc") -> RoundQuestion:
    """A question of one round to the sites named by single letters."""
    return RoundQuestion(study.hash(), run, number, tuple(roster), asks)
