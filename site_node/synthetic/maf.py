"""A hospital's panel sequencing: one MAF, and which genes were sequenced in whom.

A MAF lists variants only, so it cannot tell "tested and not mutated" from "not tested". Two lists beside it
can, the `panel` and the `samples` of site_node.sources.genomics:

    mutations.maf   the variants, GRCh37
    panel.tsv       the genes that the panel reaches: Hugo_Symbol, Entrez_Gene_Id
    samples.tsv     the samples that were sequenced and whose they are: Tumor_Sample_Barcode, patient_id

A listed sample was tested for every gene of the panel; a patient without a sample was not sequenced. As in a
real MAF, the promoter variants of TERT and the synonymous ones are there too, and change no protein.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from site_node.synthetic.patients import PANEL, Patient

GENOME = "GRCh37"
MAF_FILE, PANEL_FILE, SAMPLES_FILE = "mutations.maf", "panel.tsv", "samples.tsv"
_ENTREZ = {"BRAF": 673, "EGFR": 1956, "IDH1": 3417, "PIK3CA": 5290, "PTEN": 5728, "TERT": 7015, "TP53": 7157}
_SILENT_SHARE = 0.08  # of the unmutated who carry a synonymous variant, which is not a mutation


@dataclass(frozen=True)
class Variant:
    """A recurrent single-nucleotide variant, in GRCh37 and on the forward strand."""

    gene: str
    chromosome: str
    position: int
    reference: str
    alternate: str
    classification: str
    hgvs_c: str
    hgvs_p: str


VARIANTS = (
    Variant("BRAF", "7", 140453136, "A", "T", "Missense_Mutation", "c.1799T>A", "p.V600E"),
    Variant("EGFR", "7", 55221822, "C", "T", "Missense_Mutation", "c.866C>T", "p.A289V"),
    Variant("IDH1", "2", 209113112, "C", "T", "Missense_Mutation", "c.395G>A", "p.R132H"),
    Variant("IDH1", "2", 209113113, "G", "A", "Missense_Mutation", "c.394C>T", "p.R132C"),
    Variant("PIK3CA", "3", 178952085, "A", "G", "Missense_Mutation", "c.3140A>G", "p.H1047R"),
    Variant("PIK3CA", "3", 178936091, "G", "A", "Missense_Mutation", "c.1633G>A", "p.E545K"),
    Variant("PTEN", "10", 89692904, "C", "T", "Nonsense_Mutation", "c.388C>T", "p.R130*"),
    Variant("PTEN", "10", 89692905, "G", "A", "Missense_Mutation", "c.389G>A", "p.R130Q"),
    Variant("TERT", "5", 1295228, "G", "A", "5'Flank", "c.-124C>T", ""),
    Variant("TERT", "5", 1295250, "G", "A", "5'Flank", "c.-146C>T", ""),
    Variant("TP53", "17", 7578406, "C", "T", "Missense_Mutation", "c.524G>A", "p.R175H"),
    Variant("TP53", "17", 7577538, "C", "T", "Missense_Mutation", "c.743G>A", "p.R248Q"),
    Variant("TP53", "17", 7577120, "C", "T", "Missense_Mutation", "c.818G>A", "p.R273H"),
    Variant("TP53", "17", 7577121, "G", "A", "Missense_Mutation", "c.817C>T", "p.R273C"),
)
SILENT = {
    "EGFR": Variant("EGFR", "7", 55249063, "G", "A", "Silent", "c.2361G>A", "p.Q787="),
    "TP53": Variant("TP53", "17", 7578210, "T", "C", "Silent", "c.639A>G", "p.R213="),
}
_COLUMNS = (
    "Hugo_Symbol", "Entrez_Gene_Id", "Center", "NCBI_Build", "Chromosome", "Start_Position", "End_Position",
    "Strand", "Variant_Classification", "Variant_Type", "Reference_Allele", "Tumor_Seq_Allele1",
    "Tumor_Seq_Allele2", "Tumor_Sample_Barcode", "HGVSc", "HGVSp_Short", "t_depth", "t_ref_count",
    "t_alt_count", "FILTER",
)  # fmt: skip


def write_genomics(folder: Path, center: str, patients: tuple[Patient, ...], rng: np.random.Generator) -> int:
    """The number of variants written into the MAF of `folder`; the panel and the samples lie beside it."""
    folder.mkdir(parents=True)
    sequenced = [patient for patient in patients if patient.sequenced]
    lines = [
        _line(center, patient, variant, rng) for patient in sequenced for variant in _variants(patient, rng)
    ]
    _write(folder / MAF_FILE, ["#version 2.4", "\t".join(_COLUMNS), *lines])
    genes = [f"{gene}\t{_ENTREZ[gene]}" for gene in PANEL]
    _write(folder / PANEL_FILE, ["Hugo_Symbol\tEntrez_Gene_Id", *genes])
    samples = [f"{_barcode(patient)}\t{patient.patient_id}" for patient in sequenced]
    _write(folder / SAMPLES_FILE, ["Tumor_Sample_Barcode\tpatient_id", *samples])
    return len(lines)


def _variants(patient: Patient, rng: np.random.Generator) -> Iterator[Variant]:
    for gene in PANEL:
        if gene in patient.mutated:
            known = [variant for variant in VARIANTS if variant.gene == gene]
            yield known[int(rng.integers(len(known)))]
        elif gene in SILENT and rng.random() < _SILENT_SHARE:
            yield SILENT[gene]


def _barcode(patient: Patient) -> str:
    """The name of the patient's one tumour sample."""
    return f"{patient.patient_id}-T1"


def _line(center: str, patient: Patient, variant: Variant, rng: np.random.Generator) -> str:
    depth = int(rng.integers(180, 600))
    alternate = int(rng.binomial(depth, rng.uniform(0.25, 0.45)))
    values = (
        variant.gene, _ENTREZ[variant.gene], center, GENOME, variant.chromosome, variant.position,
        variant.position, "+", variant.classification, "SNP", variant.reference, variant.reference,
        variant.alternate, _barcode(patient), variant.hgvs_c, variant.hgvs_p, depth, depth - alternate,
        alternate, "PASS",
    )  # fmt: skip
    return "\t".join(str(value) for value in values)


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n")
