"""Variables of tumour and germline: variants, fusions, copies, expression, methylation and their sums."""

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from protocols.core.variables.variable import GeneSymbol, VariableKind, Variant, Window

Weight = tuple[Variant, FiniteFloat, Annotated[float, Field(ge=0, le=1)] | None]


class Gene(VariableKind):
    """1 where the gene has a nonsynonymous variant, 0 where it was tested and has none, else missing.

    `somatic` leaves out variants that are stated to be inherited; `germline` asks for these alone.
    """

    kind: Literal["gene"]
    gene: GeneSymbol
    state: Literal["mutated"] = "mutated"
    origin: Literal["somatic", "germline", "any"] = "somatic"


class Fusion(VariableKind):
    """1 where the gene is fused, with the partner if one is named; 0 where a test for fusions reached it."""

    kind: Literal["fusion"]
    gene: GeneSymbol
    partner: GeneSymbol | None = None
    least_reads: int = Field(default=1, ge=1)


class CopyNumber(VariableKind):
    """The copy number of a gene: a call from -2 (deep loss) to 2 (amplification), or the log2 ratio."""

    kind: Literal["copy_number"]
    gene: GeneSymbol
    unit: Literal["call", "log2_ratio"] = "call"


class Expression(VariableKind):
    """The expression of a gene; log2_tpm is log2(1 + TPM)."""

    kind: Literal["expression"]
    gene: GeneSymbol
    unit: Literal["tpm", "log2_tpm", "fpkm", "log2_fpkm"] = "log2_tpm"


class Methylation(VariableKind):
    """The methylation of a probe: beta from 0 to 1, or M, its log2 odds with an offset of 0.01."""

    kind: Literal["methylation"]
    probe: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
    unit: Literal["beta", "m"] = "beta"


class MutationalBurden(VariableKind):
    """Somatic coding mutations per megabase read; missing where the site did not say how much was read."""

    kind: Literal["mutational_burden"]
    synonymous: bool = False
    least_vaf: float = Field(default=0.0, ge=0, le=1)


class CirculatingDna(VariableKind):
    """The fraction of tumour variants in blood, the largest of all or of one gene, in a window of time."""

    kind: Literal["ctdna"]
    gene: GeneSymbol | None = None
    pick: Literal["first", "last", "mean", "min", "max"] = "first"
    window: Window = Window()


class Dosage(VariableKind):
    """Copies of a variant's ALT, 0 to 2, on a genome build; a man's one on X counts as 2."""

    kind: Literal["dosage"]
    variant: Variant
    build: Literal["GRCh37", "GRCh38"]


class PolygenicScore(VariableKind):
    """A score fitted elsewhere: the sum over variants of weight x copies of ALT.

    weights: (variant, weight, frequency of ALT or None) of each. A missing genotype counts twice the
        frequency; without one, the mean of the hospital's people.
    least_known: the share of the variants that a person's genotypes must have; who has fewer has no score.
    """

    kind: Literal["polygenic_score"]
    build: Literal["GRCh37", "GRCh38"]
    weights: tuple[Weight, ...] = Field(min_length=1, max_length=5000)
    least_known: float = Field(default=0.9, ge=0.5, le=1.0)

    @model_validator(mode="after")
    def _names_a_variant_once(self) -> "PolygenicScore":
        variants = [variant for variant, _, _ in self.weights]
        if len(set(variants)) < len(variants):
            raise ValueError("a variant is weighed twice")
        return self


class Purity(VariableKind):
    """The fraction of tumour cells in the sample, as the laboratory states it."""

    kind: Literal["purity"]


class CancerCellFraction(VariableKind):
    """The fraction of tumour cells that carry the gene's most clonal nonsynonymous variant."""

    kind: Literal["cancer_cell_fraction"]
    gene: GeneSymbol


Genomic = (
    Gene
    | Fusion
    | CopyNumber
    | Expression
    | Methylation
    | MutationalBurden
    | CirculatingDna
    | Dosage
    | PolygenicScore
    | Purity
    | CancerCellFraction
)

Dated = CirculatingDna
"""Those of dated records, which can change over a follow-up."""
