"""One sample's test, read from a genomic file: what it reached, and every change that it found.

    genomic_test          one row; target_scope is `exome`, `genome` or `panel`
    target_gene           one row per gene of a panel
    variant_occurrence    one row per change, under the names that the reader gave its fields:
                          a variant, once for each gene that it affects; a fusion; a copy number segment

The rows are those that a genomics-reporting Observation makes, so one query does for both: a gene is tested
where a genomic_test reaches it, and mutated where a variant stands in it. The sample's name is a patient's
identifier and does not enter the CDM; `sample_id` is a keyed hash of it, the same in all files. A file has no
date of its test, so test_date is NULL.

Keys come from the sample and the change, not from the file: a file under another name tells of the same rows.
"""

from hashlib import blake2b
from typing import Any

from cdm.etl.context import Context
from cdm.etl.record import Body, Row


def map_tested_sample(body: Body, context: Context) -> list[Row]:
    """The test of one sample with its genes and changes."""
    test = tested(body, context)
    record_id = f"GenomicTest/{test['genomic_test_id']}"
    genes = {symbol: context.row_id(record_id, "target_gene", symbol) for symbol in body["genes"]}
    rows = [Row("genomic_test", test)]
    rows += [
        Row(
            "target_gene",
            {"target_gene_id": key, "genomic_test_id": test["genomic_test_id"], "hgnc_symbol": symbol},
        )
        for symbol, key in genes.items()
    ]
    found: dict[int, Row] = {}  # a line may stand twice in a file
    for variant in body["variants"]:
        key = context.row_id(record_id, "variant_occurrence", _name(variant))
        found[key] = Row(
            "variant_occurrence",
            {
                **variant,
                "variant_occurrence_id": key,
                "person_id": test["person_id"],
                "genomic_test_id": test["genomic_test_id"],
                "target_gene1_id": genes.get(variant.get("target_gene1_symbol")),
                "target_gene2_id": genes.get(variant.get("target_gene2_symbol")),
                "reference_genome": body["reference_genome"],
                "sample_id": test["sample_id"],
            },
        )
    return rows + list(found.values())


def tested(body: Body, context: Context) -> dict[str, Any]:
    """The columns of the genomic_test of a sample."""
    specimen_id = context.specimen_id(body["patient"], body["sample"])
    reached = blake2b("\t".join(body["genes"]).encode(), digest_size=8).hexdigest()
    told = (body["kind"], body["assay"], body["reference_genome"], body["target_scope"], reached)
    return {
        "genomic_test_id": context.row_id(f"Specimen/{specimen_id}", "genomic_test", repr(told)),
        "person_id": context.person_id(body["patient"]),
        "reference_genome": body["reference_genome"],
        "target_scope": body["target_scope"],
        "target_megabases": body["target_megabases"],
        "assay": body["assay"],
        "sample_id": f"{specimen_id:x}",
    }


def _name(variant: Body) -> str:
    """What tells a change from another of the same sample."""
    fields = (
        *("chromosome", "position", "end_position", "reference_allele", "alternate_allele"),
        *("target_gene1_symbol", "target_gene2_symbol", "fusion_breakpoint"),
    )
    return ":".join(str(variant.get(field, "")) for field in fields)
