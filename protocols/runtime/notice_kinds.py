"""The notices that hold for a site and a center alike."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from protocols.core.errors import ShadowgraphError
from protocols.runtime import audit_chain, folder_checks
from protocols.runtime.notices import Notice
from protocols.runtime.reach import WARN_DAYS


def of_folder(home: Path, certificates: Mapping[str, int | None]) -> Iterator[Notice]:
    """A certificate that ends in 60, 14 and 1 days, a full disk, an audit that is not whole.

    Args:
        home: the folder.
        certificates: what each is called -> days until it ends; None where it cannot be read.
    """
    for what, days in certificates.items():
        if days is None:
            continue
        passed = [limit for limit in WARN_DAYS if days <= limit]
        if passed:
            limit = min(passed)
            when = "has ended" if days < 0 else f"ends within {limit} {'day' if limit == 1 else 'days'}"
            yield Notice(f"certificate/{what}/{limit}", "certificate-ends", f"the {what} {when}")
    if not folder_checks.disk(home, "").is_well:
        day = datetime.now(UTC).date().isoformat()
        yield Notice(f"disk/{day}", "disk-full", "the disk of the folder is nearly full")
    try:
        for _ in audit_chain.whole_lines(home):
            pass
    except ShadowgraphError as error:
        yield Notice(f"audit/{error.text}", "audit-damaged", "the audit's chain is not whole")
