"""How much of the site's people each kind of genomic test knows."""

from typing import Any

from sqlalchemy import Engine, distinct, func, select

from cdm.schema import genomic_profile, genomic_test, variant_occurrence

SMALL_VARIANTS = "small variants"


def status(engine: Engine) -> list[dict[str, Any]]:
    """One row per kind of test: people, samples, findings, and what is kept of each gene or probe."""
    test, variant, profile = genomic_test.c, variant_occurrence.c, genomic_profile.c
    assay = func.coalesce(test.assay, SMALL_VARIANTS).label("assay")
    tests = select(
        assay, func.count(distinct(test.person_id)), func.count(distinct(test.sample_id))
    ).group_by(assay)
    findings = (
        select(assay, func.count())
        .join_from(genomic_test, variant_occurrence, variant.genomic_test_id == test.genomic_test_id)
        .group_by(assay)
    )
    quantities = (
        select(assay, profile.quantity)
        .join_from(genomic_test, genomic_profile, profile.genomic_test_id == test.genomic_test_id)
        .distinct()
    )
    with engine.connect() as connection:
        found = {name: count for name, count in connection.execute(findings)}
        kept: dict[str, list[str]] = {}
        for name, quantity in connection.execute(quantities):
            kept.setdefault(name, []).append(quantity)
        return [
            {
                "assay": name,
                "people": people,
                "samples": samples,
                "findings": found.get(name, 0),
                "of_each_gene": ", ".join(sorted(kept.get(name, []))),
            }
            for name, people, samples in connection.execute(tests.order_by(assay))
        ]
