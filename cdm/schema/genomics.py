"""The genomic tables: G-CDM 2.0's four, completed by what an analysis needs and G-CDM lacks.

G-CDM's own fields keep their names, its spelling `chromosome_corrdinate` included. It has no person, no
position and no allele fraction on a variant; ours stand last in each table. Where a MAF file cannot know a
field that G-CDM requires (care site, procedure, specimen, HGNC number) the field is optional here: an
invented row is worse.

A gene is *mutated* in a person with a variant in it, *tested* when a `genomic_test` of that person reaches
it, by a `target_gene` row or by a `target_scope` of every gene, and otherwise *not tested*. What kind of
change a test can see is its `assay`: a fusion panel says nothing of mutations.

Genotypes of a whole genome stay in the files in which they lie: `genotype_sample` says where, and
`genotype_check` what the checks of a fileset left out.

A number for each of many thousand genes or probes of a sample (expression, methylation, copy number) is no
row of its own: `genomic_profile` holds them in blocks, in which a reader finds one gene without the others.
"""

from sqlalchemy import Column, Index, LargeBinary, Table

from cdm.schema.columns import (
    day,
    hashed_key,
    integer,
    key,
    large,
    metadata,
    moment,
    number,
    reference,
    text,
)

genomic_test = Table(
    "genomic_test",
    metadata,
    key("genomic_test_id"),
    reference("care_site_id", "care_site"),
    text("genomic_test_name"),
    text("genomic_test_version"),
    text("reference_genome"),
    text("sequencing_device"),
    text("library_preparation"),
    text("target_capture"),
    text("read_type"),
    integer("read_length"),
    text("quality_control_tools"),
    integer("total_reads"),
    number("mean_target_coverage"),
    number("per_target_base_cover_100x"),
    text("alignment_tools"),
    text("variant_calling_tools"),
    text("chromosome_corrdinate"),
    text("annotation_tools"),
    text("annotation_databases"),
    # ours
    reference("person_id", "person", required=True, index=True),
    text("sample_id", 64),
    day("test_date"),
    text("target_scope", 20, required=True),  # "panel": its target_gene rows; "exome" or "genome": every gene
    text("assay", 20),  # "germline", "fusions", "copy number", "expression", …; NULL: small variants
    number("target_megabases"),  # of sequence in which a small variant would have been seen
)

target_gene = Table(
    "target_gene",
    metadata,
    key("target_gene_id"),
    reference("genomic_test_id", "genomic_test", required=True, index=True),
    text("hgnc_id"),
    text("hgnc_symbol", required=True, index=True),
)

variant_occurrence = Table(
    "variant_occurrence",
    metadata,
    hashed_key("variant_occurrence_id"),
    reference("procedure_occurrence_id", "procedure_occurrence"),
    reference("specimen_id", "specimen"),
    reference("reference_specimen_id", "specimen"),
    reference("target_gene1_id", "target_gene"),
    text("target_gene1_symbol", index=True),
    reference("target_gene2_id", "target_gene"),
    text("target_gene2_symbol"),
    text("reference_sequence", 50),
    text("rs_id", 50),
    text("reference_allele"),
    text("alternate_allele"),
    text("hgvs_c"),
    text("hgvs_p"),
    integer("variant_read_depth"),
    integer("variant_exon_number"),
    number("copy_number"),
    text("cnv_locus"),
    text("fusion_breakpoint"),
    integer("fusion_supporting_reads"),
    text("sequence_alteration"),
    text("variant_feature"),
    text("genetic_origin"),
    text("genotype"),
    # ours
    reference("person_id", "person", required=True, index=True),
    reference("genomic_test_id", "genomic_test"),
    text("sample_id", 64),
    text("chromosome", 25),
    large("position"),  # 1-based, of the first changed base
    large("end_position"),
    text("reference_genome", 25),
    text("filter"),
    number("vaf"),  # fraction of reads with the alternate allele, 0 to 1
    integer("total_read_depth"),
    text("variant_classification", 50),  # MAF's words: Missense_Mutation, Silent, …
)

variant_annotation = Table(
    "variant_annotation",
    metadata,
    hashed_key("variant_annotation_id"),
    reference("variant_occurrence_id", "variant_occurrence", required=True, index=True),
    text("annotation_field", required=True),
    text("value_as_string"),
    number("value_as_number"),
)

genomic_profile = Table(
    "genomic_profile",
    metadata,
    key("genomic_profile_id"),
    reference("person_id", "person", required=True),
    reference("genomic_test_id", "genomic_test", required=True),
    text("quantity", 20, required=True),  # "tpm", "fpkm", "beta", "log2 ratio", "copy number call"
    integer("block", required=True),  # `block_of` the features that it holds
    Column("content", LargeBinary, nullable=False),  # zlib of JSON: feature -> number
    Index(None, "quantity", "block"),
)

genotype_sample = Table(
    "genotype_sample",
    metadata,
    key("genotype_sample_id"),
    reference("person_id", "person", required=True, index=True),
    reference("genomic_test_id", "genomic_test", required=True),
    text("reference_genome", 25, required=True),
    text("local_path", required=True),  # of the genotypes: a .pgen or .bed beside its two lists
    integer("place", required=True),  # of the sample in the list of samples, from 0
    text("strand", 10, required=True),  # "forward" or "unknown"
    text("digest", 32, required=True),  # of the set as it was when it was loaded
)

genotype_check = Table(
    "genotype_check",
    metadata,
    text("digest", 32, primary_key=True),  # of a fileset, as `genotype_sample` has it
    moment("checked_at", required=True),
    Column("content", LargeBinary, nullable=False),  # zlib of JSON: what of the set no study reads, and why
)
