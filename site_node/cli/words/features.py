"""What people read of what was measured."""

from typing import Any

from site_node.actions.features import GenomicStatus, ImageStatus, Measured

Row = dict[str, Any]


def measured(done: Measured) -> Row:
    """What was computed, skipped and failed, and why."""
    counts = {"computed": done.computed, "skipped": done.skipped, "failed": done.failed}
    return {**counts, "features": done.features, "failures": [vars(one) for one in done.failures]}


def images(found: ImageStatus) -> Row:
    """One row per modality, and per reason why regions could not be measured."""
    return {
        "modalities": [_spaced(vars(row)) for row in found.modalities],
        "failures": [vars(one) for one in found.failures],
    }


def genomics(found: GenomicStatus) -> list[Row]:
    """One row per kind of test."""
    return [_spaced(vars(row)) for row in found.assays]


def _spaced(row: Row) -> Row:
    return {name.replace("_", " "): value for name, value in row.items()}
