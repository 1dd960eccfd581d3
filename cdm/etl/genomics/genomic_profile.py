"""One sample's numbers of many thousand genes or probes: expression, methylation, copy number.

    genomic_test       one row: that the sample was measured, and by what
    genomic_profile    one row per block of features, compressed

A feature's block follows from its name alone, so a reader asks for one block per sample and finds the feature
there or not at all. Blocks stay small enough to be opened quickly (80 genes, or 2,000 CpG probes), and one
transaction writes test and blocks. A column of a database a gene was rejected: they take 2,000 at most.
"""

import base64
import zlib
from collections.abc import Sequence

import numpy as np
import orjson
from numpy.typing import NDArray

from cdm.etl.context import Context
from cdm.etl.genomics.variant import tested
from cdm.etl.record import Body, Row

BLOCKS = 256
LARGEST_BLOCK = 64 << 20  # bytes of JSON; only a file made to do harm has more
FAST = 1


def map_profile(body: Body, context: Context) -> list[Row]:
    """The test and the blocks of numbers."""
    test = tested(body, context)
    record_id = f"GenomicTest/{test['genomic_test_id']}"
    quantity = body["quantity"]
    return [
        Row("genomic_test", test),
        *(
            Row(
                "genomic_profile",
                {
                    "genomic_profile_id": context.row_id(record_id, "genomic_profile", f"{quantity}:{block}"),
                    "person_id": test["person_id"],
                    "genomic_test_id": test["genomic_test_id"],
                    "quantity": quantity,
                    "block": int(block),
                    "content": base64.b64decode(content),
                },
            )
            for block, content in body["blocks"].items()
        ),
    ]


def block_of(feature: str) -> int:
    """The block, 0 to 255, in which a feature stands; upper and lower case are one."""
    return zlib.crc32(feature.upper().encode()) % BLOCKS


def pack(features: Sequence[str], values: NDArray[np.float32]) -> bytes:
    """A block's content."""
    table = {"features": features, "values": np.ascontiguousarray(values)}
    return zlib.compress(orjson.dumps(table, option=orjson.OPT_SERIALIZE_NUMPY), FAST)


def opened(content: bytes) -> bytes:
    """The JSON of a block: its `features`, and their `values` in the same order."""
    return zlib.decompressobj().decompress(content, LARGEST_BLOCK)


def unpack(content: bytes) -> dict[str, float | None]:
    """The numbers of a block by their features in upper case; None where there is none."""
    table = orjson.loads(opened(content))
    return {name.upper(): value for name, value in zip(table["features"], table["values"], strict=True)}
