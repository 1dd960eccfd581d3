"""How a center is reached from this machine: name, way, certificate, path, clock."""

import http.client
import os
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from cryptography import x509

from protocols.runtime.checks import Check

FLEET = "/v1/fleet/"
CLOCK_SECONDS = 60
WARN_DAYS = (60, 14, 1)
"""Days before its end at which people are told of a certificate."""
_SECONDS = 5.0
_GATEWAY_FAILED = (502, 503, 504)


def reach(address: str, root: str, *, is_required: bool) -> Iterator[Check]:
    """Every check of the way to a center, each only where the one before it is well.

    Args:
        address: HOST:PORT.
        root: the PEM certificate of the authority by which the center is believed.
        is_required: whether it ought to be reached now.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    proxy = _proxy(host)
    if proxy:
        yield Check("proxy variables", f"{host} is reached through HTTPS_PROXY", True)
    else:
        yield Check("proxy variables", f"{host} is reached directly", True)
        named = _is_named(host)
        fix = f"let {host} be resolved here, or write it into /etc/hosts"
        yield Check(
            "name of the center", f"{host} is {'' if named else 'not '}resolved", named, fix, is_required
        )
        if not named:
            return
    connection = _connection(host, int(port), root, proxy)
    try:
        connection.connect()
        yield from _looked_at(connection, is_required=is_required)
    except ssl.SSLCertVerificationError as error:
        fix = "ask the coordinator for a new invitation: the certificate or the proxy has changed"
        yield Check("certificate of the center", error.verify_message, False, fix, is_required)
    except (OSError, http.client.HTTPException) as error:
        fix = f"let outgoing TLS to {host}:{port} through the firewall; is the center started?"
        found = f"no TLS connection: {type(error).__name__}"
        yield Check("way to the center", found, False, fix, is_required)
    finally:
        connection.close()


def certificate_check(what: str, days: int, fix: str) -> Check:
    """Whether a certificate ends in 60 days or more; in fewer than 14 it is required to be renewed."""
    found = f"ends in {days} days" if days >= 0 else "has ended"
    return Check(what, found, days >= WARN_DAYS[0], fix, is_required=days < WARN_DAYS[1])


def days_left(certificate: Path) -> int | None:
    """Days until the certificate of a PEM file ends; None where there is none to be read."""
    return days_left_of(certificate.read_bytes()) if certificate.is_file() else None


def days_left_of(pem: bytes) -> int | None:
    """Days until a PEM certificate ends; None where it is not one."""
    try:
        ends = x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None
    return (ends - datetime.now(UTC)).days


def _looked_at(connection: http.client.HTTPSConnection, *, is_required: bool) -> Iterator[Check]:
    assert isinstance(connection.sock, ssl.SSLSocket)
    shown = connection.sock.getpeercert() or {}
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(shown["notAfter"])), UTC)
    fix = "the coordinator renews it at the center, or at the proxy in front of it"
    yield certificate_check("certificate of the center", (ends - datetime.now(UTC)).days, fix)
    connection.request("GET", FLEET)
    reply = connection.getresponse()
    is_there = reply.status not in _GATEWAY_FAILED
    fix = "at the center: shadowgraph network start; and look at the proxy's configuration"
    yield Check("path of the sites", f"{FLEET} answers {reply.status}", is_there, fix, is_required)
    if (said := reply.getheader("Date")) is not None:
        apart = abs((datetime.now(UTC) - parsedate_to_datetime(said)).total_seconds())
        found = f"{apart:.0f} s apart from the center's"
        yield Check("clock", found, apart <= CLOCK_SECONDS, "set it by NTP, here or there", is_required)


def _connection(host: str, port: int, root: str, proxy: str) -> http.client.HTTPSConnection:
    trust = ssl.create_default_context(cadata=root)
    if not proxy:
        return http.client.HTTPSConnection(host, port, context=trust, timeout=_SECONDS)
    by, _, at = proxy.rpartition("//")[2].rpartition("@")[2].rstrip("/").partition(":")
    through = http.client.HTTPSConnection(by, int(at or 3128), context=trust, timeout=_SECONDS)
    through.set_tunnel(host, port)
    return through


def _proxy(host: str) -> str:
    """The proxy through which a program that goes by the environment reaches a host; "" for none."""
    is_local = host in ("localhost", "127.0.0.1", "::1")
    if is_local or urllib.request.proxy_bypass_environment(host):  # type: ignore[attr-defined]
        return ""
    return os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or ""


def _is_named(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except OSError:
        return False
