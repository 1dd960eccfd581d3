"""How a site reads each kind of block: one file per family, as for variables."""

from collections.abc import Mapping
from typing import Any

from protocols.core.block_kinds import BlockKind
from site_node.study_table.block_readers import genomic, genotype, imaging
from site_node.study_table.block_readers.reader import BlockReader

BLOCK_READERS: Mapping[type[BlockKind], BlockReader[Any]] = {
    one.kind: one for one in (*genomic.READERS, *genotype.READERS, *imaging.READERS)
}
