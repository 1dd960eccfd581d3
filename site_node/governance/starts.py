"""The starts of runs as this site keeps them: its own part encrypted, what all sites signed as it came.

The part (masking key, nonce, share of the secret) outlives a crash and is erased when its run ends. It lies
in the register, encrypted by a key in a file of its own in `run/`, which no backup holds: once that file is
gone, neither a copy of the register nor what SQLite leaves on the disk opens it.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from sqlite3 import Row
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from protocols.core.errors import Code, SiteError
from protocols.core.secret_files import write_secret
from protocols.exchange.envelope import pack, unpack
from protocols.exchange.start import Beginning, Hello
from protocols.runtime.database import insert
from site_node.home.register import now, register

KEPT_DAYS = 30
"""A run that nobody ended is over after so many days: what its masks hang on is erased."""

_ONE = "study = ? AND run = ?"


@dataclass(frozen=True)
class KeptStart:
    """One run's start; what has not come yet is empty.

    Attributes:
        part: what this site keeps to itself.
        hello, opening: its own, sealed.
        hellos, openings: those of all sites of the roster, sealed.
    """

    part: Beginning
    hello: bytes
    opening: bytes
    hellos: Mapping[str, bytes]
    openings: Mapping[str, bytes]


def keep_hello(home: Path, study: str, run: str, part: Beginning, hello: bytes) -> None:
    """Keeps what a run begins with here, before it leaves; ends earlier runs of the study."""
    for earlier in _runs(home, "study = ? AND run <> ?", (study, run)):
        erase(home, *earlier)
    key = os.urandom(32)
    path = _key_file(home, study, run)
    path.unlink(missing_ok=True)  # of a hello that was not kept
    write_secret(path, key)
    encrypted = ChaCha20Poly1305(key).encrypt(bytes(12), part.as_bytes(), None)
    at = now().isoformat()
    with register(home) as db:
        insert(db, "run_start", study=study, run=run, part=encrypted, hello=hello, began_at=at)


def keep_opening(home: Path, study: str, run: str, hellos: Mapping[str, bytes], opening: bytes) -> None:
    """Keeps the hellos of all sites and this site's opening, before it leaves."""
    with register(home) as db:
        db.execute(
            f"UPDATE run_start SET hellos = ?, opening = ? WHERE {_ONE}",  # noqa: S608
            (_packed(hellos), opening, study, run),
        )


def keep_openings(home: Path, study: str, run: str, openings: Mapping[str, bytes]) -> None:
    """Keeps the openings of all sites."""
    with register(home) as db:
        db.execute(f"UPDATE run_start SET openings = ? WHERE {_ONE}", (_packed(openings), study, run))  # noqa: S608


def kept(home: Path, study: str, run: str) -> KeptStart | None:
    """The start of a run, or None if it has not begun here.

    Raises:
        SiteError: already-answered; the run has ended here.
    """
    with register(home) as db:
        row = db.execute(f"SELECT * FROM run_start WHERE {_ONE}", (study, run)).fetchone()  # noqa: S608
    if row is None:
        return None
    return KeptStart(
        Beginning.of_bytes(_part(home, row)),
        row["hello"],
        row["opening"] or b"",
        _unpacked(row["hellos"]),
        _unpacked(row["openings"]),
    )


def pin_nonces(home: Path, hellos: Mapping[str, Hello]) -> None:
    """Raises unless each site promises the nonce that it gave in earlier runs of the study; keeps new ones.

    So a study that is submitted again has the folds and draws that it had.

    Raises:
        SiteError: tampered; a site promises another nonce than before.
    """
    with register(home) as db:
        for site, said in hellos.items():
            insert(db, "nonce", "ignore", study=said.study, site=site, digest=said.nonce)
            row = db.execute(
                "SELECT digest FROM nonce WHERE study = ? AND site = ?", (said.study, site)
            ).fetchone()
            if row["digest"] != said.nonce:
                raise SiteError(Code.TAMPERED, f"site {site} has another nonce for this study than before")


def erase(home: Path, study: str, run: str) -> None:
    """Erases this site's part of a run, which has ended: nothing that was masked in it is ever unmasked."""
    path = _key_file(home, study, run)
    if path.exists():
        path.write_bytes(bytes(32))
        path.unlink()
    with register(home) as db:
        db.execute(f"UPDATE run_start SET part = NULL WHERE {_ONE}", (study, run))  # noqa: S608


def erase_expired(home: Path) -> None:
    """Erases this site's part of every run that began too long ago."""
    long_ago = (now() - timedelta(days=KEPT_DAYS)).isoformat()
    for study, run in _runs(home, "began_at < ?", (long_ago,)):
        erase(home, study, run)


def _runs(home: Path, where: str, given: tuple[str, ...]) -> list[tuple[str, str]]:
    with register(home) as db:
        rows = db.execute(
            f"SELECT study, run FROM run_start WHERE part IS NOT NULL AND {where}",  # noqa: S608
            given,
        ).fetchall()
    return [(row["study"], row["run"]) for row in rows]


def _part(home: Path, row: Row) -> bytes:
    path = _key_file(home, row["study"], row["run"])
    if row["part"] is None or not path.is_file():
        raise SiteError(Code.ALREADY_ANSWERED, "that run has ended here")
    try:
        return ChaCha20Poly1305(path.read_bytes()).decrypt(bytes(12), row["part"], None)
    except InvalidTag:
        raise SiteError(Code.SITE_FAILED, "what was kept of the run's start is damaged") from None


def _key_file(home: Path, study: str, run: str) -> Path:
    return home / "run" / "starts" / f"{hashlib.sha256(f'{study}/{run}'.encode()).hexdigest()[:32]}.key"


def _packed(sealed: Mapping[str, bytes]) -> bytes:
    return pack({site: np.frombuffer(said, dtype=np.uint8) for site, said in sealed.items()})


def _unpacked(data: bytes | None) -> dict[str, bytes]:
    content: dict[str, Any] = {} if data is None else unpack(data)
    return {site: said.tobytes() for site, said in content.items()}
