"""One source loaded by several processes at once: each takes the records whose keys fall to it.

Every process reads all files and maps and writes its own records, so that all versions of a record meet in
one process, in the order in which they were read. What follows from the rows of all is made once, at the end.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import Engine, or_, select

from cdm.schema import load_run, source_name, source_need, source_record

SECOND = 1_000_000_000  # in nanoseconds, which runs are named by


class Part(NamedTuple):
    """Which of how many processes this one is."""

    number: int
    of: int

    def has(self, key: int | None) -> bool:
        """Whether a record falls to this process; a place without a record falls to the first one."""
        return (key or 0) % self.of == self.number


WHOLE = Part(0, 1)


def overlapping(engine: Engine, run_id: int) -> set[int]:
    """The runs that were under way at some moment of this one, and itself."""
    columns = load_run.c
    began = select(columns.started_at).where(columns.run_id == run_id).scalar_subquery()
    at_once = or_(columns.status == "running", columns.finished_at >= began)
    with engine.connect() as connection:
        return {run_id, *connection.scalars(select(columns.run_id).where(at_once))}


def missed(engine: Engine, runs: Iterable[int]) -> set[int]:
    """The records that looked for another one, by key or name, while another of these runs was loading it."""
    at_once = sorted(runs)
    if len(at_once) < 2:
        return set()
    mapped, needed = source_record.alias("mapped"), source_record.alias("needed")
    need, name = source_need.c, source_name.c
    of_both = select(need.source_record_id).join(mapped, mapped.c.source_record_id == need.source_record_id)
    by_key = of_both.join(needed, needed.c.source_record_id == need.needed_id)
    by_name = of_both.join(source_name, name.name_key == need.needed_id).join(
        needed, needed.c.source_record_id == name.source_record_id
    )
    others = (
        mapped.c.run_id.in_(at_once),
        needed.c.run_id.in_(at_once),
        mapped.c.run_id != needed.c.run_id,
    )
    with engine.connect() as connection:
        return {key for one in (by_key, by_name) for key in connection.scalars(one.where(*others).distinct())}
