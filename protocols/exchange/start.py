"""How a run starts: fresh keys, joint chance, a secret of the sites, and who contributes, in one exchange.

Each site first says hello, with a masking key of this run alone and the digests of a nonce and of a share;
when it has seen the hellos of the whole roster it opens: it gives the nonce, the share sealed for each
other site, and to which analyses it contributes. Both are signed by the site's confirmed key. Since the
digests come first, no site chooses the chance or the secret that all of them make; the center relays both
messages and can open no share. What the masks of the run hang on is erased with it, so that traffic that
somebody recorded stays closed when a site's long-term key is taken later.

Reference: Blum, Coin flipping by telephone (CRYPTO 1981), for digests before nonces.
"""

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NewType, Self

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocols.core.errors import Code
from protocols.exchange.envelope import WireError, digest, pack, unseal
from protocols.exchange.keys import public_text
from protocols.exchange.wire import SCHEMA_VERSION, message_fields

Chance = NewType("Chance", bytes)
"""32 bytes that all sites of a run made, known to everybody; each draw of the run comes from them."""

RunSecret = NewType("RunSecret", bytes)
"""32 bytes that all sites of a run made, and that the center lacks."""

KeyOf = Callable[[str], Ed25519PublicKey]
"""The confirmed signing key of a site. Raises WireError where it is not known."""

SIZE = 32


@dataclass(frozen=True, repr=False)
class Beginning:
    """What one site keeps to itself of a run's start; erased when the run ends.

    Attributes:
        key: the masking key of this run.
        nonce, share: its 32 bytes of the chance and of the secret.
    """

    key: X25519PrivateKey
    nonce: bytes
    share: bytes

    @classmethod
    def fresh(cls, nonce: bytes = b"") -> Self:
        """One that nobody had before; its nonce is drawn, unless the site has one for this study."""
        return cls(X25519PrivateKey.generate(), nonce or os.urandom(SIZE), os.urandom(SIZE))

    def as_bytes(self) -> bytes:
        """The 96 bytes of which `of_bytes` makes it again."""
        return self.key.private_bytes_raw() + self.nonce + self.share

    @classmethod
    def of_bytes(cls, kept: bytes) -> Self:
        """The one that was kept."""
        key, nonce, share = (kept[start : start + SIZE] for start in (0, SIZE, 2 * SIZE))
        return cls(X25519PrivateKey.from_private_bytes(key), nonce, share)


@dataclass(frozen=True)
class StartMessage:
    """What a coordinator sends a site before the rounds of a run: at first without hellos, then with all.

    Attributes:
        roster: the sites that are asked, sorted; fixed when the hellos are sent.
        hellos: site -> its sealed hello.
    """

    study: str
    run: str
    roster: tuple[str, ...]
    hellos: Mapping[str, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The canonical bytes."""
        hellos = {site: _as_array(sealed) for site, sealed in self.hellos.items()}
        return pack({"schema_version": SCHEMA_VERSION, **vars(self), "hellos": hellos})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message of canonical bytes. Raises WireError."""
        content = message_fields(data, {"study": str, "run": str, "roster": list, "hellos": dict})
        try:
            hellos = {str(site): sealed.tobytes() for site, sealed in content["hellos"].items()}
            roster = tuple(str(site) for site in content["roster"])
            message = cls(content["study"], content["run"], roster, hellos)
            if message.encode() != data:
                raise ValueError
        except (AttributeError, TypeError, ValueError):
            raise WireError(Code.MALFORMED_MESSAGE, "the message of a run's start is malformed") from None
        return message


@dataclass(frozen=True)
class EndMessage:
    """What a coordinator sends when a run has ended: the site then erases what the run's masks hang on."""

    study: str
    run: str

    def encode(self) -> bytes:
        """The canonical bytes."""
        return pack({"schema_version": SCHEMA_VERSION, **vars(self)})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message of canonical bytes. Raises WireError."""
        content = message_fields(data, {"study": str, "run": str})
        return cls(content["study"], content["run"])


@dataclass(frozen=True)
class Hello:
    """The first that a site says in a run.

    Attributes:
        key: its public masking key of this run, in base64.
        nonce, share: the digests of what it will give.
    """

    study: str
    run: str
    site: str
    key: str
    nonce: str
    share: str

    def encode(self) -> bytes:
        """The canonical bytes."""
        return pack({"schema_version": SCHEMA_VERSION, **vars(self)})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The hello of canonical bytes. Raises WireError."""
        names = ("study", "run", "site", "key", "nonce", "share")
        content = message_fields(data, dict.fromkeys(names, str))
        return cls(**{name: content[name] for name in names})


@dataclass(frozen=True)
class Opening:
    """The second: what the digests of its hello stand for.

    Attributes:
        hellos: the digest of all hellos that it saw; sites that were shown different ones find it here.
        nonce: its 32 bytes of the chance.
        shares: other site -> its share of the secret, sealed for that site.
        contributes: analysis -> whether it has enough people for it.
    """

    study: str
    run: str
    site: str
    hellos: str
    nonce: bytes
    shares: Mapping[str, bytes]
    contributes: Mapping[str, bool]

    def encode(self) -> bytes:
        """The canonical bytes."""
        return pack(
            {
                "schema_version": SCHEMA_VERSION,
                **vars(self),
                "nonce": _as_array(self.nonce),
                "shares": {site: _as_array(sealed) for site, sealed in self.shares.items()},
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The opening of canonical bytes. Raises WireError."""
        kinds: dict[str, type] = {"study": str, "run": str, "site": str, "hellos": str}
        kinds |= {"nonce": np.ndarray, "shares": dict, "contributes": dict}
        content: dict[str, Any] = message_fields(data, kinds)
        try:
            opening = cls(
                **{name: content[name] for name in ("study", "run", "site", "hellos")},
                nonce=content["nonce"].tobytes(),
                shares={str(site): sealed.tobytes() for site, sealed in content["shares"].items()},
                contributes={str(name): bool(yes) for name, yes in content["contributes"].items()},
            )
            if opening.encode() != data:
                raise ValueError
        except (AttributeError, TypeError, ValueError):
            raise WireError(Code.MALFORMED_MESSAGE, "an opening is malformed") from None
        return opening


@dataclass(frozen=True)
class Started:
    """What everybody knows of a run that has started.

    Attributes:
        keys: site -> its public masking key of this run, in base64.
        chance: from which every draw of the run comes.
        contributors: analysis -> the sites with enough people for it, sorted.
        openings: site -> the digest of its opening, as the first question bears it.
    """

    keys: Mapping[str, str]
    chance: Chance
    contributors: Mapping[str, tuple[str, ...]]
    openings: Mapping[str, str] = field(default_factory=dict)


UNSTARTED = Started({}, Chance(b""), {})
"""A run of plain sums over tables in one process, whose people fall into folds as their tables say."""


def hello(beginning: Beginning, study: str, run: str, site: str) -> Hello:
    """What this site says first in a run of the study with that hash."""
    key = public_text(beginning.key.public_key())
    return Hello(study, run, site, key, digest(beginning.nonce), digest(beginning.share))


def open_start(
    beginning: Beginning, site: str, hellos: Mapping[str, Hello], contributes: Mapping[str, bool]
) -> Opening:
    """What this site says when it has seen the hellos of the whole roster, each checked by its signature.

    Raises:
        WireError: tampered; its own hello is another one, they are of several runs, or a key is no key.
    """
    own = hellos.get(site)
    if own is None or own != hello(beginning, own.study, own.run, site):
        raise WireError(Code.TAMPERED, "the run's start holds another hello in this site's name")
    _check_hellos(hellos)
    seen = _digest_of(hellos)
    shares = {
        peer: _cipher(beginning, hellos[peer], seen, site, peer).encrypt(bytes(12), beginning.share, None)
        for peer in sorted(hellos.keys() - {site})
    }
    return Opening(own.study, own.run, site, seen, beginning.nonce, shares, dict(contributes))


def read_hellos(sealed: Mapping[str, bytes], key_of: KeyOf) -> dict[str, Hello]:
    """The hellos of these sites, each as its site signed it. Raises WireError."""
    return {site: Hello.decode(unseal(said, key_of(site), "hello")) for site, said in sealed.items()}


def read_openings(sealed: Mapping[str, bytes], key_of: KeyOf) -> dict[str, Opening]:
    """The openings of these sites, each as its site signed it. Raises WireError."""
    return {site: Opening.decode(unseal(said, key_of(site), "opening")) for site, said in sealed.items()}


def started(hellos: Mapping[str, Hello], openings: Mapping[str, Opening]) -> Started:
    """What a run starts with; center and sites find the same.

    Raises:
        WireError: tampered; not all of the roster opened, what was opened is not what was promised, or sites
            saw different hellos.
    """
    _check_hellos(hellos)
    _check_openings(hellos, openings)
    sites = sorted(hellos)
    analyses = openings[sites[0]].contributes.keys()
    chance = hashlib.sha256(b"shadowgraph/1/chance\0" + b"".join(openings[site].nonce for site in sites))
    return Started(
        {site: hellos[site].key for site in sites},
        Chance(chance.digest()),
        {
            name: tuple(site for site in sites if openings[site].contributes[name])
            for name in sorted(analyses)
        },
        {site: digest(openings[site].encode()) for site in sites},
    )


def run_secret(
    beginning: Beginning, site: str, hellos: Mapping[str, Hello], openings: Mapping[str, Opening]
) -> RunSecret:
    """The secret that the sites of a run share; every site finds the same, the center none.

    Raises:
        WireError: tampered, as in `started`; or a site sealed another share than it had promised.
    """
    _check_hellos(hellos)
    _check_openings(hellos, openings)
    seen, shares = _digest_of(hellos), {site: beginning.share}
    for peer in hellos.keys() - {site}:
        cipher = _cipher(beginning, hellos[peer], seen, peer, site)
        try:
            shares[peer] = cipher.decrypt(bytes(12), openings[peer].shares[site], None)
        except InvalidTag:
            raise WireError(Code.TAMPERED, f"the share of site {peer} cannot be opened") from None
        if digest(shares[peer]) != hellos[peer].share:
            raise WireError(Code.TAMPERED, f"the share of site {peer} is not the one that it promised")
    joint = b"".join(shares[name] for name in sorted(shares))
    return RunSecret(hashlib.sha256(b"shadowgraph/1/run-secret\0" + joint).digest())


def _check_hellos(hellos: Mapping[str, Hello]) -> None:
    if len({(h.study, h.run) for h in hellos.values()}) != 1:
        raise WireError(Code.TAMPERED, "the hellos are of several runs")
    if any(h.site != site for site, h in hellos.items()):
        raise WireError(Code.TAMPERED, "a hello bears another site's name")
    for promised in ("key", "nonce", "share"):  # a copied digest would be opened by what its owner gives
        if len({vars(h)[promised] for h in hellos.values()}) != len(hellos):
            raise WireError(Code.TAMPERED, f"two sites have one {promised}")


def _check_openings(hellos: Mapping[str, Hello], openings: Mapping[str, Opening]) -> None:
    if openings.keys() != hellos.keys():
        raise WireError(Code.TAMPERED, "not every site of the roster opened the run")
    seen = _digest_of(hellos)
    analyses = next(iter(openings.values())).contributes.keys()
    for site, opening in openings.items():
        said, own = hellos[site], (opening.study, opening.run, opening.site)
        if own != (said.study, said.run, site) or opening.hellos != seen:
            raise WireError(Code.TAMPERED, f"site {site} opened another run, or saw other hellos")
        if digest(opening.nonce) != said.nonce or len(opening.nonce) != SIZE:
            raise WireError(Code.TAMPERED, f"the nonce of site {site} is not the one that it promised")
        if opening.shares.keys() != hellos.keys() - {site} or opening.contributes.keys() != analyses:
            raise WireError(Code.TAMPERED, f"site {site} opened for other sites or analyses")


def _digest_of(hellos: Mapping[str, Hello]) -> str:
    return digest(pack({site: vars(said) for site, said in hellos.items()}))


def _cipher(beginning: Beginning, peer: Hello, seen: str, sender: str, receiver: str) -> ChaCha20Poly1305:
    """The cipher of one share from one site to another; used once, so its nonce may be zero."""
    try:
        public = X25519PublicKey.from_public_bytes(base64.b64decode(peer.key, validate=True))
        shared = beginning.key.exchange(public)
    except ValueError:
        raise WireError(Code.TAMPERED, f"the key of site {peer.site} is not a key") from None
    info = pack({"hellos": seen, "from": sender, "to": receiver})
    key = HKDF(SHA256(), SIZE, salt=None, info=b"shadowgraph/1/share\0" + info).derive(shared)
    return ChaCha20Poly1305(key)


def _as_array(data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(data, dtype=np.uint8)
