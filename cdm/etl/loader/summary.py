"""What a load did: every record read is in exactly one of its kind's counts."""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Counts:
    """What became of the records of one kind."""

    loaded: int = 0
    unchanged: int = 0  # this version, or a newer one, is there already
    replaced: int = 0
    removed: int = 0  # entered in error, cancelled or deleted, and there were rows of it
    quarantined: int = 0
    not_mapped_yet: int = 0
    excluded: dict[str, int] = field(default_factory=dict)  # reason -> records that make no row

    @property
    def records(self) -> int:
        """How many records were read."""
        whole = self.loaded + self.unchanged + self.replaced + self.removed
        return whole + self.quarantined + self.not_mapped_yet + sum(self.excluded.values())

    def add(self, other: "Counts") -> None:
        """Count what another process did."""
        for name in ("loaded", "unchanged", "replaced", "removed", "quarantined", "not_mapped_yet"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, count in other.excluded.items():
            self.excluded[reason] = self.excluded.get(reason, 0) + count

    def exclude(self, reason: str) -> None:
        """Count one record that makes no row, under its reason."""
        self.excluded[reason] = self.excluded.get(reason, 0) + 1


@dataclass
class LoadSummary:
    """What one load did, by kind of record.

    `unmapped` are the codes that met no standard concept, `doubts` what was not wholly understood,
    `waiting` how many records lost or never got their rows, since their patient is not here.
    """

    source: str
    run_id: int
    kinds: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    unmapped: set[tuple[str, str]] = field(default_factory=set)
    doubts: Counter[str] = field(default_factory=Counter)
    waiting: int = 0  # records whose patient is not here
    reached: set[int] = field(default_factory=set)  # records of other processes, still to be mapped anew

    @property
    def records(self) -> int:
        """How many records were read."""
        return sum(counts.records for counts in self.kinds.values())

    @property
    def unmapped_codes(self) -> int:
        """How many codes met no standard concept."""
        return len(self.unmapped)

    @property
    def quarantined(self) -> int:
        """How many records could not be loaded."""
        return sum(counts.quarantined for counts in self.kinds.values())

    @property
    def written(self) -> int:
        """How many records were written, for the first time or anew."""
        return sum(counts.loaded + counts.replaced for counts in self.kinds.values())

    @property
    def changed(self) -> bool:
        """Whether the load wrote or deleted any row of the CDM."""
        return any(counts.loaded or counts.replaced or counts.removed for counts in self.kinds.values())

    def add(self, other: "LoadSummary") -> None:
        """Count what another process did of the same load."""
        for kind, theirs in other.kinds.items():
            self.kinds[kind].add(theirs)
        self.unmapped |= other.unmapped
        self.doubts.update(other.doubts)
        self.waiting += other.waiting
        self.reached |= other.reached

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain data."""
        kinds = {kind: asdict(counts) for kind, counts in sorted(self.kinds.items())}
        return {
            "source": self.source,
            "partial": self.quarantined > 0 or self.waiting > 0,
            "waiting": self.waiting,
            "unmapped_codes": self.unmapped_codes,
            "doubts": dict(sorted(self.doubts.items())),
            "kinds": kinds,
        }
