"""What a person can ask of the audit: its lines, whether its chain is whole, what left the site."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from protocols.core.errors import Code, InputError
from protocols.exchange.documents import KeptHeads
from protocols.runtime import audit_chain
from protocols.runtime.audit_chain import AuditLines
from protocols.runtime.audit_mend import MendedAudit
from site_node.governance import audit, audit_check, audit_heads, ledger
from site_node.governance.ledger import ReleasedAnswer
from site_node.home import config


@dataclass(frozen=True)
class Chain:
    """An audit that is whole; a broken one is an error.

    Attributes:
        heads: how many heads that others keep of it are in it.
    """

    lines: int
    heads: int
    schema_version: int = 1


@dataclass(frozen=True)
class Heads:
    """Site -> how many heads of its audit are kept here; the file with those of one site."""

    kept: Mapping[str, int]
    file: Path | None
    schema_version: int = 1


@dataclass(frozen=True)
class Releases:
    """Every answer that left this site, the oldest first."""

    answers: tuple[ReleasedAnswer, ...]
    schema_version: int = 1


@dataclass(frozen=True)
class ExportedAudit:
    """The audit in a file."""

    lines: int
    file: Path
    schema_version: int = 1


def shown(home: Path, *, last: int = 20) -> AuditLines:
    """The last lines of the audit."""
    return audit_chain.shown(home, last=last)


def verify(home: Path, heads: Path | None = None) -> Chain:
    """The number of lines, none of which was altered, removed or put in another order, at the end either.

    Args:
        heads: a file of what another site or the center keeps of this audit.

    Raises:
        StudyError: audit-damaged; the text says at which line the chain breaks, or what is not in it.
        InputError: not a file of heads, or one of another site's.
    """
    kept = KeptHeads.read(heads) if heads else None
    if kept and kept.site != (own := config.load(home).name):
        raise InputError(Code.INVALID_INPUT, f"these are heads of site {kept.site}, and this is {own}")
    others = kept.heads if kept else ()
    return Chain(audit_check.verify(home, others), len({*others, *audit_heads.unknown(home)}))


def mend(home: Path) -> MendedAudit:
    """The audit that goes on after damage; what is lost of it stands in its next line.

    Raises:
        InputError: already-exists; nothing is damaged.
    """
    return MendedAudit(audit_check.mend(home))


def heads(home: Path, site: str = "", out: Path | None = None) -> Heads:
    """How many heads of each other site's audit are kept here; those of one site in a file for it.

    Raises:
        InputError: no head of that site is kept here.
    """
    kept = audit_heads.kept(home)
    if site and site not in kept:
        raise InputError(Code.NOT_FOUND, f"no head of site {site!r} is kept here", "shadowgraph audit heads")
    if site:
        out = out or Path(f"{site}.heads.json")
        KeptHeads(site=site, kept_by=config.load(home).name, heads=tuple(kept[site])).write(out)
    return Heads({name: len(those) for name, those in sorted(kept.items())}, out)


def releases(home: Path) -> Releases:
    """The answers that left this site, each with the digest of its exact bytes."""
    return Releases(tuple(ledger.released(home)))


def export(home: Path, file: Path) -> ExportedAudit:
    """The whole audit in a file, after its chain was checked.

    Raises:
        StudyError: tampered; nothing is written.
    """
    count = audit_check.verify(home)
    file.write_bytes((home / audit.FILE).read_bytes() if count else b"")
    return ExportedAudit(count, file)
