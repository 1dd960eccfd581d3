"""The center's keys: its own small certificate authority for TLS, and the coordinator's key."""

import ipaddress
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols.exchange.keys import signing_key, write_secret
from server.home.config import HubConfig

KEYS = "keys"
_YEARS = 10


def make_identity(settings: HubConfig) -> None:
    """Makes the authority, the server's certificate, the coordinator's key and the runtime's secret."""
    keys = settings.home / KEYS
    authority, authority_key = _certificate(settings.consortium[:60], None, ())
    hosts = ("localhost", "127.0.0.1", "::1", settings.address.rpartition(":")[0].strip("[]"))
    server, server_key = _certificate("shadowgraph center", (authority, authority_key), hosts)
    for name, key in (("ca", authority_key), ("server", server_key)):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_secret(keys / f"{name}.key", pem)
    (keys / "ca.pem").write_bytes(authority.public_bytes(Encoding.PEM))
    (keys / "server.pem").write_bytes(server.public_bytes(Encoding.PEM))
    write_secret(keys / "runtime.secret", secrets.token_bytes(32))
    coordinator_key(settings.home)


def coordinator_key(home: Path) -> Ed25519PrivateKey:
    """The key with which the coordinator signs studies and questions."""
    return signing_key(home / KEYS / "coordinator.key")


def root_certificate(home: Path) -> str:
    """The PEM certificate of the center's own certificate authority."""
    return (home / KEYS / "ca.pem").read_text()


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
        .not_valid_after(now + timedelta(days=365 * _YEARS))
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
