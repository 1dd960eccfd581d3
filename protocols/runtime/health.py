"""Whether a side can work now: the few checks that an image, a unit or a monitor asks every minute."""

from collections.abc import Iterable
from dataclasses import dataclass

from protocols.core.errors import ExitCode
from protocols.runtime.checks import Check, well
from protocols.runtime.output import Output


@dataclass(frozen=True)
class Health:
    """Whether a side can work now.

    Attributes:
        is_ready: whether all that is required is well.
        not_well: what is not, in words.
    """

    is_ready: bool
    not_well: tuple[str, ...]
    schema_version: int = 1


def health(checks: Iterable[Check]) -> Health:
    """The health that these checks say."""
    seen = tuple(checks)
    return Health(well(seen), tuple(f"{one.what}: {one.found}" for one in seen if one.state == "failed"))


def words(found: Health) -> dict[str, object]:
    """Ready or not, and why not."""
    return {"ready": "yes" if found.is_ready else "no", "not well": list(found.not_well)}


def told(found: Health) -> Output[Health]:
    """The health, and the exit code that says it."""
    return Output(found, words, ExitCode.DONE if found.is_ready else ExitCode.FAILED)
