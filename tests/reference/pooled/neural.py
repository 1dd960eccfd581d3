"""The reference of `neural`, with all rows in one place."""

from collections.abc import Sequence

from protocols.core.table import AnalysisTable
from protocols.learning.neural import Neural, _result, _standards
from protocols.learning.neural_model import NeuralResult, NeuralSpec, standardized
from tests.reference.pooled import network
from tests.reference.pooled.rows import joined, on_one_table


def pooled(spec: NeuralSpec, tables: Sequence[AnalysisTable]) -> NeuralResult:
    """scikit-learn's network by the same steps; what is approximate, on all rows as one hospital's."""
    if spec.strategy != "fedsgd" or spec.privacy is not None:
        return on_one_table(Neural(), spec, joined(tables), Neural().coordinate(spec))
    table = joined(tables).complete(spec.variables())
    columns = table.matrix(spec.columns())
    shift, scale = _standards(spec, columns.mean(axis=0), columns.std(axis=0))
    people = standardized(spec, table, shift, scale)
    weights, loss = network.descended(people, spec.rounds, spec.rate * spec.server_rate, spec.l2, spec.seed)
    events = int(table.column(spec.outcome).sum()) if spec.loss == "logistic" else None
    return _result(spec, weights, (shift, scale), (len(table), events), (loss, [0.0] * spec.rounds))
