"""The reference of `influence`, with all rows in one place."""

from collections.abc import Sequence

from protocols.core.table import AnalysisTable
from protocols.validation.influence import Influence, InfluenceResult, InfluenceSpec, groups_of, influence
from tests.reference.pooled import reference


def pooled(spec: InfluenceSpec, tables: Sequence[AnalysisTable]) -> InfluenceResult:
    """The same groups, each pooled fit by a library on the rows of the other sites."""
    people = {table.site: int(Influence.people(spec, table)["n"]) for table in tables}
    judged = sorted(site for site, n in people.items() if n >= 10)
    groups = groups_of(spec, judged)
    fits = [
        reference(spec.model, [table for table in tables if table.site not in left_out])
        for left_out in ((), *groups)
    ]
    return influence(groups, tuple(sorted(people.keys() - set(judged))), fits[0], fits[1:])
