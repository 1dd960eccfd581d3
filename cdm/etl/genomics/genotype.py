"""One sample of a fileset of genotypes: that it was tested, and where its genotypes lie.

    genomic_test       one row
    genotype_sample    one row: the file, the sample's place in it, and what the file was when it was read

The genotypes stay in their own format: a genome has millions, and a study reads them chunk by chunk.
"""

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
