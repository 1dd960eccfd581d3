"""How a site reads each kind of variable: one file per family, as in `protocols/core/variables`."""

from collections.abc import Mapping
from typing import Any

from protocols.core.variables import VariableKind
from site_node.study_table.readers import clinical, genomic, imaging, outcome
from site_node.study_table.readers.reader import ColumnReader, DatedReader, LabelReader

Reader = ColumnReader[Any] | DatedReader[Any] | LabelReader[Any]

FAMILIES: Mapping[str, tuple[Reader, ...]] = {
    "clinical": clinical.READERS,
    "genomic": genomic.READERS,
    "imaging": imaging.READERS,
    "outcome": outcome.READERS,
}

READERS: Mapping[type[VariableKind], Reader] = {
    one.kind: one for family in FAMILIES.values() for one in family
}
