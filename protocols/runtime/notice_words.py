"""What people read of notices."""

from protocols.runtime.notices import Told


def told(told: Told) -> dict[str, object]:
    """What went out, and how."""
    return {"told": list(told.notices) or "nothing is new", "by": ", ".join(told.ways)}
