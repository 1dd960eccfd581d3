"""One sample's test, read from a MAF or VCF: what it reached, and every variant that it found.

    genomic_test          one row; target_scope is `exome`, `genome` or `panel`
    target_gene           one row a gene of a panel
    variant_occurrence    one row a variant, under the names that the reader gave its fields

The rows are those that a genomics-reporting Observation makes, so one query does for both: a gene is tested
where a genomic_test reaches it, and mutated where a variant stands in it. The sample's name is a patient's
identifier and does not enter the CDM; `sample_id` is a keyed hash of it. A file has no date of its test, so
test_date is NULL.
"""

from collections import Counter

from cdm.etl.context import Context
from cdm.etl.record import Body, Row


def map_tested_sample(body: Body, context: Context) -> list[Row]:
    """The test of one sample with its genes and variants."""
    record_id = f"TestedSample/{body['id']}"
    person_id = context.person_id(body["patient"])
    test = {
        "genomic_test_id": context.row_id(record_id, "genomic_test"),
        "person_id": person_id,
        "reference_genome": body["reference_genome"],
        "target_scope": body["target_scope"],
        "sample_id": f"{context.row_id(record_id, 'specimen'):x}",
    }
    genes = {symbol: context.row_id(record_id, "target_gene", symbol) for symbol in body["genes"]}
    rows = [Row("genomic_test", test)]
    rows += [
        Row(
            "target_gene",
            {"target_gene_id": key, "genomic_test_id": test["genomic_test_id"], "hgnc_symbol": symbol},
        )
        for symbol, key in genes.items()
    ]
    seen: Counter[str] = Counter()
    for variant in body["variants"]:
        name = _name(variant)
        part = f"{name}#{seen[name]}" if seen[name] else name  # a line may stand twice in a file
        seen[name] += 1
        keys = {
            "variant_occurrence_id": context.row_id(record_id, "variant_occurrence", part),
            "person_id": person_id,
            "genomic_test_id": test["genomic_test_id"],
            "target_gene1_id": genes.get(variant.get("target_gene1_symbol")),
            "reference_genome": body["reference_genome"],
            "sample_id": test["sample_id"],
        }
        rows.append(Row("variant_occurrence", {**variant, **keys}))
    return rows


def _name(variant: Body) -> str:
    """What tells a variant from another of the same sample."""
    fields = ("chromosome", "position", "reference_allele", "alternate_allele", "target_gene1_symbol")
    return ":".join(str(variant.get(field, "")) for field in fields)
