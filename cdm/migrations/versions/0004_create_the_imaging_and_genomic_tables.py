"""Create the imaging and genomic tables."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

LONG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "genomic_test",
        sa.Column("genomic_test_id", LONG, autoincrement=False, nullable=False),
        sa.Column("care_site_id", LONG),
        sa.Column("genomic_test_name", sa.Text()),
        sa.Column("genomic_test_version", sa.Text()),
        sa.Column("reference_genome", sa.Text()),
        sa.Column("sequencing_device", sa.Text()),
        sa.Column("library_preparation", sa.Text()),
        sa.Column("target_capture", sa.Text()),
        sa.Column("read_type", sa.Text()),
        sa.Column("read_length", sa.Integer()),
        sa.Column("quality_control_tools", sa.Text()),
        sa.Column("total_reads", sa.Integer()),
        sa.Column("mean_target_coverage", sa.Double()),
        sa.Column("per_target_base_cover_100x", sa.Double()),
        sa.Column("alignment_tools", sa.Text()),
        sa.Column("variant_calling_tools", sa.Text()),
        sa.Column("chromosome_corrdinate", sa.Text()),
        sa.Column("annotation_tools", sa.Text()),
        sa.Column("annotation_databases", sa.Text()),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("sample_id", sa.String(length=64)),
        sa.Column("test_date", sa.Date()),
        sa.Column("target_scope", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("genomic_test_id", name=op.f("pk_genomic_test")),
    )
    op.create_index(op.f("ix_genomic_test_person_id"), "genomic_test", ["person_id"])
    op.create_table(
        "image_acquisition",
        sa.Column("image_occurrence_id", LONG, autoincrement=False, nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("manufacturer", sa.String(length=64)),
        sa.Column("manufacturer_model_name", sa.String(length=64)),
        sa.Column("software_versions", sa.String(length=64)),
        sa.Column("body_part_examined", sa.String(length=16)),
        sa.Column("frame_of_reference_uid", sa.String(length=64)),
        sa.Column("number_of_instances", sa.Integer()),
        sa.Column("rows", sa.Integer()),
        sa.Column("columns", sa.Integer()),
        sa.Column("pixel_spacing_row_mm", sa.Double()),
        sa.Column("pixel_spacing_column_mm", sa.Double()),
        sa.Column("slice_thickness_mm", sa.Double()),
        sa.Column("slice_spacing_mm", sa.Double()),
        sa.Column("kvp", sa.Double()),
        sa.Column("convolution_kernel", sa.String(length=64)),
        sa.Column("magnetic_field_strength_tesla", sa.Double()),
        sa.Column("repetition_time_ms", sa.Double()),
        sa.Column("echo_time_ms", sa.Double()),
        sa.Column("flip_angle_degrees", sa.Double()),
        sa.Column("contrast_bolus_agent", sa.String(length=64)),
        sa.PrimaryKeyConstraint("image_occurrence_id", name=op.f("pk_image_acquisition")),
    )
    op.create_table(
        "image_feature",
        sa.Column("image_feature_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("image_occurrence_id", LONG, nullable=False),
        sa.Column("image_feature_concept_id", sa.Integer(), nullable=False),
        sa.Column("image_feature_type_concept_id", sa.Integer(), nullable=False),
        sa.Column("image_feature_event_field_concept_id", sa.Integer()),
        sa.Column("image_feature_event_id", LONG),
        sa.Column("image_finding_concept_id", sa.Integer()),
        sa.Column("image_finding_id", LONG),
        sa.Column("anatomic_site_concept_id", sa.Integer()),
        sa.Column("alg_system", sa.Text()),
        sa.Column("alg_datetime", sa.DateTime()),
        sa.PrimaryKeyConstraint("image_feature_id", name=op.f("pk_image_feature")),
    )
    op.create_index(op.f("ix_image_feature_image_occurrence_id"), "image_feature", ["image_occurrence_id"])
    op.create_index(op.f("ix_image_feature_person_id"), "image_feature", ["person_id"])
    op.create_table(
        "image_occurrence",
        sa.Column("image_occurrence_id", LONG, autoincrement=False, nullable=False),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("visit_occurrence_id", LONG),
        sa.Column("procedure_occurrence_id", LONG, nullable=False),
        sa.Column("wadors_uri", sa.Text()),
        sa.Column("local_path", sa.Text()),
        sa.Column("image_occurrence_date", sa.Date(), nullable=False),
        sa.Column("image_study_uid", sa.String(length=250), nullable=False),
        sa.Column("image_series_uid", sa.String(length=250), nullable=False),
        sa.Column("modality_concept_id", sa.Integer(), nullable=False),
        sa.Column("anatomic_site_concept_id", sa.Integer()),
        sa.PrimaryKeyConstraint("image_occurrence_id", name=op.f("pk_image_occurrence")),
    )
    op.create_index(op.f("ix_image_occurrence_image_series_uid"), "image_occurrence", ["image_series_uid"])
    op.create_index(op.f("ix_image_occurrence_person_id"), "image_occurrence", ["person_id"])
    op.create_table(
        "target_gene",
        sa.Column("target_gene_id", LONG, autoincrement=False, nullable=False),
        sa.Column("genomic_test_id", LONG, nullable=False),
        sa.Column("hgnc_id", sa.Text()),
        sa.Column("hgnc_symbol", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("target_gene_id", name=op.f("pk_target_gene")),
    )
    op.create_index(op.f("ix_target_gene_genomic_test_id"), "target_gene", ["genomic_test_id"])
    op.create_index(op.f("ix_target_gene_hgnc_symbol"), "target_gene", ["hgnc_symbol"])
    op.create_table(
        "variant_annotation",
        sa.Column("variant_annotation_id", LONG, autoincrement=False, nullable=False),
        sa.Column("variant_occurrence_id", LONG, nullable=False),
        sa.Column("annotation_field", sa.Text(), nullable=False),
        sa.Column("value_as_string", sa.Text()),
        sa.Column("value_as_number", sa.Double()),
        sa.PrimaryKeyConstraint("variant_annotation_id", name=op.f("pk_variant_annotation")),
    )
    op.create_index(
        op.f("ix_variant_annotation_variant_occurrence_id"),
        "variant_annotation",
        ["variant_occurrence_id"],
    )
    op.create_table(
        "variant_occurrence",
        sa.Column("variant_occurrence_id", LONG, autoincrement=False, nullable=False),
        sa.Column("procedure_occurrence_id", LONG),
        sa.Column("specimen_id", LONG),
        sa.Column("reference_specimen_id", LONG),
        sa.Column("target_gene1_id", LONG),
        sa.Column("target_gene1_symbol", sa.Text()),
        sa.Column("target_gene2_id", LONG),
        sa.Column("target_gene2_symbol", sa.Text()),
        sa.Column("reference_sequence", sa.String(length=50)),
        sa.Column("rs_id", sa.String(length=50)),
        sa.Column("reference_allele", sa.Text()),
        sa.Column("alternate_allele", sa.Text()),
        sa.Column("hgvs_c", sa.Text()),
        sa.Column("hgvs_p", sa.Text()),
        sa.Column("variant_read_depth", sa.Integer()),
        sa.Column("variant_exon_number", sa.Integer()),
        sa.Column("copy_number", sa.Double()),
        sa.Column("cnv_locus", sa.Text()),
        sa.Column("fusion_breakpoint", sa.Text()),
        sa.Column("fusion_supporting_reads", sa.Integer()),
        sa.Column("sequence_alteration", sa.Text()),
        sa.Column("variant_feature", sa.Text()),
        sa.Column("genetic_origin", sa.Text()),
        sa.Column("genotype", sa.Text()),
        sa.Column("person_id", LONG, nullable=False),
        sa.Column("genomic_test_id", LONG),
        sa.Column("sample_id", sa.String(length=64)),
        sa.Column("chromosome", sa.String(length=25)),
        sa.Column("position", LONG),
        sa.Column("end_position", LONG),
        sa.Column("reference_genome", sa.String(length=25)),
        sa.Column("filter", sa.Text()),
        sa.Column("vaf", sa.Double()),
        sa.Column("total_read_depth", sa.Integer()),
        sa.Column("variant_classification", sa.String(length=50)),
        sa.PrimaryKeyConstraint("variant_occurrence_id", name=op.f("pk_variant_occurrence")),
    )
    op.create_index(op.f("ix_variant_occurrence_person_id"), "variant_occurrence", ["person_id"])
    op.create_index(
        op.f("ix_variant_occurrence_target_gene1_symbol"),
        "variant_occurrence",
        ["target_gene1_symbol"],
    )
