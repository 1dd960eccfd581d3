"""One sample of a fileset of genotypes: that it was tested, and where its genotypes lie.

    genomic_test       one row
    genotype_sample    one row: the file, the sample's place in it, and what the file was when it was read

The genotypes stay in their own format: a genome has millions, and a study reads them chunk by chunk.
"""

import zlib
from collections.abc import Sequence

import orjson

from cdm.etl.context import Context
from cdm.etl.genomics.variant import tested
from cdm.etl.record import Body, Row


def map_genotypes(body: Body, context: Context) -> list[Row]:
    """The test, and where its genotypes lie."""
    test = tested(body, context)
    sample = {
        "genotype_sample_id": context.row_id(
            f"GenomicTest/{test['genomic_test_id']}", "genotype_sample", body["path"]
        ),
        "person_id": test["person_id"],
        "genomic_test_id": test["genomic_test_id"],
        "reference_genome": body["reference_genome"],
        "local_path": body["path"],
        "place": body["column"],
        "strand": body["strand"],
        "digest": body["digest"],
    }
    return [Row("genomic_test", test), Row("genotype_sample", sample)]


def packed_check(samples: Sequence[int], variants: Sequence[int]) -> bytes:
    """The content of a `genotype_check`: places in the lists of a fileset that no study reads."""
    return zlib.compress(orjson.dumps({"samples": list(samples), "variants": list(variants)}))


def unpacked_check(content: bytes) -> tuple[list[int], list[int]]:
    """The places of samples and of variants in the content of a `genotype_check`."""
    found = orjson.loads(zlib.decompress(content))
    return found["samples"], found["variants"]
