"""What a variant does to a gene: terms of the Sequence Ontology in the words of MAF's Variant_Classification.

The words are vcf2maf's, so that a VCF, a MAF and a FHIR Observation mean the same.
"""

# Sequence Ontology term -> MAF Variant_Classification, the most severe first (after vcf2maf 1.6).
# A frame shift or an in-frame change gets its _Del or _Ins from the alleles.
CLASSIFICATIONS = {
    "transcript_ablation": "Splice_Site",
    "exon_loss_variant": "Splice_Site",
    "splice_donor_variant": "Splice_Site",
    "splice_acceptor_variant": "Splice_Site",
    "stop_gained": "Nonsense_Mutation",
    "frameshift_variant": "Frame_Shift",
    "stop_lost": "Nonstop_Mutation",
    "start_lost": "Translation_Start_Site",
    "initiator_codon_variant": "Translation_Start_Site",
    "disruptive_inframe_insertion": "In_Frame",
    "disruptive_inframe_deletion": "In_Frame",
    "conservative_inframe_insertion": "In_Frame",
    "conservative_inframe_deletion": "In_Frame",
    "inframe_insertion": "In_Frame",
    "inframe_deletion": "In_Frame",
    "protein_altering_variant": "In_Frame",
    "missense_variant": "Missense_Mutation",
    "rare_amino_acid_variant": "Missense_Mutation",
    "coding_sequence_variant": "Missense_Mutation",
    "splice_donor_5th_base_variant": "Splice_Region",
    "splice_region_variant": "Splice_Region",
    "splice_donor_region_variant": "Splice_Region",
    "splice_polypyrimidine_tract_variant": "Splice_Region",
    "start_retained_variant": "Silent",
    "stop_retained_variant": "Silent",
    "incomplete_terminal_codon_variant": "Silent",
    "synonymous_variant": "Silent",
    "5_prime_UTR_premature_start_codon_gain_variant": "5'UTR",
    "5_prime_UTR_variant": "5'UTR",
    "3_prime_UTR_variant": "3'UTR",
    "mature_miRNA_variant": "RNA",
    "non_coding_transcript_exon_variant": "RNA",
    "non_coding_transcript_variant": "RNA",
    "exon_variant": "RNA",
    "transcript_amplification": "Intron",
    "intron_variant": "Intron",
    "intragenic_variant": "Intron",
    "upstream_gene_variant": "5'Flank",
    "downstream_gene_variant": "3'Flank",
    "regulatory_region_variant": "IGR",
    "TF_binding_site_variant": "IGR",
    "intergenic_region": "IGR",
    "intergenic_variant": "IGR",
}
SEVERITY = {term: rank for rank, term in enumerate(CLASSIFICATIONS)}
OPEN = "Unknown"  # leaves open whether the gene is mutated
FUSION, COPY_NUMBER = "Fusion", "Copy_Number_Segment"

# The ontology's numbers of these terms (sequenceontology.org).
TERMS = {
    "SO:0001893": "transcript_ablation",
    "SO:0001572": "exon_loss_variant",
    "SO:0001575": "splice_donor_variant",
    "SO:0001574": "splice_acceptor_variant",
    "SO:0001587": "stop_gained",
    "SO:0001589": "frameshift_variant",
    "SO:0001578": "stop_lost",
    "SO:0002012": "start_lost",
    "SO:0001582": "initiator_codon_variant",
    "SO:0001824": "disruptive_inframe_insertion",
    "SO:0001826": "disruptive_inframe_deletion",
    "SO:0001823": "conservative_inframe_insertion",
    "SO:0001825": "conservative_inframe_deletion",
    "SO:0001821": "inframe_insertion",
    "SO:0001822": "inframe_deletion",
    "SO:0001818": "protein_altering_variant",
    "SO:0001583": "missense_variant",
    "SO:0002008": "rare_amino_acid_variant",
    "SO:0001580": "coding_sequence_variant",
    "SO:0001787": "splice_donor_5th_base_variant",
    "SO:0001630": "splice_region_variant",
    "SO:0002170": "splice_donor_region_variant",
    "SO:0002169": "splice_polypyrimidine_tract_variant",
    "SO:0002019": "start_retained_variant",
    "SO:0001567": "stop_retained_variant",
    "SO:0001626": "incomplete_terminal_codon_variant",
    "SO:0001819": "synonymous_variant",
    "SO:0001983": "5_prime_UTR_premature_start_codon_gain_variant",
    "SO:0001623": "5_prime_UTR_variant",
    "SO:0001624": "3_prime_UTR_variant",
    "SO:0001620": "mature_miRNA_variant",
    "SO:0001792": "non_coding_transcript_exon_variant",
    "SO:0001619": "non_coding_transcript_variant",
    "SO:0001791": "exon_variant",
    "SO:0001889": "transcript_amplification",
    "SO:0001627": "intron_variant",
    "SO:0002011": "intragenic_variant",
    "SO:0001631": "upstream_gene_variant",
    "SO:0001632": "downstream_gene_variant",
    "SO:0001566": "regulatory_region_variant",
    "SO:0001782": "TF_binding_site_variant",
    "SO:0001628": "intergenic_variant",
}


def classification(term: str, *, inserts: bool, keeps_frame: bool = True) -> str:
    """The Variant_Classification of a term; OPEN for one that says neither yes nor no.

    Args:
        inserts: whether the change makes the sequence longer.
        keeps_frame: False where the alleles say that a term without a frame shifts it.
    """
    word = CLASSIFICATIONS.get(term, OPEN)
    if word == "In_Frame" and not keeps_frame:
        word = "Frame_Shift"  # protein_altering_variant says neither
    return f"{word}_{'Ins' if inserts else 'Del'}" if word in ("In_Frame", "Frame_Shift") else word
