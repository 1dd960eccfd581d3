"""The center's keys: its own small certificate authority for TLS, and the coordinator's key."""

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols.core.errors import Code, InputError
from protocols.core.secret_files import write_secret
from protocols.exchange.keys import signing_key
from server.home.config import HubConfig

KEYS = "keys"
_YEARS = 10


def make_identity(settings: HubConfig) -> None:
    """Makes the authority, the server's certificate, the coordinator's key and the runtime's secret."""
    keys = settings.home / KEYS
    authority = _certificate(settings.consortium[:60], None, ())
    _write(keys, "ca", authority)
    _write(keys, "server", _of_server(settings, authority))
    write_secret(keys / "runtime.secret", secrets.token_bytes(32))
    coordinator_key(settings.home)


def renew_server(settings: HubConfig) -> datetime:
    """When the server's new certificate ends, of the same authority; what was before it is kept beside.

    Raises:
        InputError: the authority's key or certificate is missing.
    """
    keys = settings.home / KEYS
    try:
        authority = x509.load_pem_x509_certificate((keys / "ca.pem").read_bytes())
        key = load_pem_private_key((keys / "ca.key").read_bytes(), None)
    except FileNotFoundError as error:
        name = Path(str(error.filename)).name
        raise InputError(Code.NOT_FOUND, f"{name} is missing", "restore it from a backup") from None
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = _of_server(settings, (authority, key))
    for name in ("server.key", "server.pem"):
        count = len(list(keys.glob(f"{name}.replaced-*")))
        (keys / name).rename(keys / f"{name}.replaced-{count + 1}")
    _write(keys, "server", made)
    return made[0].not_valid_after_utc


def coordinator_key(home: Path) -> Ed25519PrivateKey:
    """The key with which the coordinator signs studies and questions."""
    return signing_key(home / KEYS / "coordinator.key")


def root_certificate(home: Path) -> str:
    """The PEM certificate of the center's own certificate authority."""
    return (home / KEYS / "ca.pem").read_text()


def _of_server(settings: HubConfig, authority: "_Issuer") -> "_Issuer":
    hosts = ("localhost", "127.0.0.1", "::1", settings.address.rpartition(":")[0].strip("[]"))
    return _certificate("shadowgraph center", authority, hosts)


def _write(keys: Path, name: str, made: "_Issuer") -> None:
    certificate, key = made
    write_secret(keys / f"{name}.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (keys / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))


_Issuer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _certificate(name: str, issuer: _Issuer | None, hosts: tuple[str, ...]) -> _Issuer:
    """An authority's certificate where there is no issuer, else a server's for these hosts; and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer[1] if issuer else key
    now = datetime.now(UTC)
    is_authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(_end(now, issuer))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
        .add_extension(_usage(is_authority), True)
    )
    if hosts:
        names = [_general_name(host) for host in dict.fromkeys(hosts)]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    return builder.sign(signer, hashes.SHA256()), key


def _end(now: datetime, issuer: "_Issuer | None") -> datetime:
    """When a new certificate ends: not after its authority's own, for nobody would believe it then."""
    end = now + timedelta(days=365 * _YEARS)
    return min(end, issuer[0].not_valid_after_utc) if issuer else end


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
