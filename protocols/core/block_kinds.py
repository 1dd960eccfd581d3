"""How a study names a block: what its numbers are, and its axis by a rule that says which names are on it.

    blocks:
      rna: {kind: expression, genes: all}
      glcm: {kind: radiomic, modality: CT, region: GTV, features: {family: glcm}}

A study carries the hash and the length of each list, written in when it is read, and never the names; a rule
is followed only where names are wanted. A rule that gives another list at a site, whose release has another
table of genes, has another hash, and the site says so. A list that no rule gives (an array's manifest) is a
file beside the study, `probes: {file: epic.txt}`; the study says `listed`, and the coordinator hands the file
over with it. The site's half of a kind is its reader in `site_node/study_table/block_readers`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cdm.vocabulary.genes import gene_names
from protocols.core.axis import Axis, axis_of, names_on, publish, published, read_list
from protocols.core.errors import Code, SpecError
from protocols.core.ibsi_tags import FAMILIES, Aggregation, FamilyName, tags
from protocols.core.variables.variable import VARIANT, GeneSymbol, Variant

Listed = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")]


_VARIANT = re.compile(VARIANT)

Genes = Annotated[tuple[GeneSymbol, ...], Field(min_length=1, max_length=1000)]


class BlockKind(BaseModel):
    """A block as a study writes it; its axis is written in by the rule, unless the study has it already."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    axis: Axis | None = None

    def rule(self) -> tuple[str, ...] | None:
        """The names on its axis, in order; None where the list is known by its hash alone."""
        raise NotImplementedError

    def is_listed(self) -> bool:
        """Whether its names are known by their hash alone, and not by a rule."""
        return self.rule() is None

    @property
    def on(self) -> Axis:
        """Its axis."""
        assert self.axis is not None  # the validator below wrote it
        return self.axis

    @model_validator(mode="after")
    def _has_its_axis(self) -> Self:
        if self.axis is None:
            names = self.rule()
            if names is None:
                raise ValueError("a list of names comes from a file, `{file: FILE}`, or by its `axis`")
            object.__setattr__(self, "axis", axis_of(names))
        publish(self.on, lambda: self.rule() or ())
        return self

    def names(self) -> tuple[str, ...]:
        """The names on the axis that the study means.

        Raises:
            SpecError: unknown-variable; no list of that hash is known here.
        """
        names = names_on(self.on)
        if names is None:
            raise SpecError(
                Code.UNKNOWN_VARIABLE, "this installation has another list of names than the study's"
            )
        return names

    @classmethod
    def axis_field(cls) -> str:
        """The field that says which names are on the axis."""
        raise NotImplementedError


class ExpressionBlock(BlockKind):
    """The expression of genes: all that HGNC has approved, or those listed; log2_tpm is log2(1 + TPM)."""

    kind: Literal["expression"]
    genes: Literal["all", "listed"] | Genes
    unit: Literal["tpm", "log2_tpm", "fpkm", "log2_fpkm"] = "log2_tpm"

    def rule(self) -> tuple[str, ...] | None:
        return _by(self.genes)

    @classmethod
    def axis_field(cls) -> str:
        return "genes"


class CopyNumberBlock(BlockKind):
    """The log2 ratio of genes' copies: of all that HGNC has approved, or of those listed."""

    kind: Literal["copy_number"]
    genes: Literal["all", "listed"] | Genes
    unit: Literal["log2_ratio"] = "log2_ratio"

    def rule(self) -> tuple[str, ...] | None:
        return _by(self.genes)

    @classmethod
    def axis_field(cls) -> str:
        return "genes"


class MethylationBlock(BlockKind):
    """The methylation of probes: beta from 0 to 1, or M, its log2 odds with an offset of 0.01."""

    kind: Literal["methylation"]
    probes: Literal["listed"] | Annotated[tuple[Listed, ...], Field(min_length=1, max_length=1000)]
    unit: Literal["beta", "m"] = "beta"

    def rule(self) -> tuple[str, ...] | None:
        return None if self.probes == "listed" else tuple(self.probes)

    @classmethod
    def axis_field(cls) -> str:
        return "probes"


class GenotypeBlock(BlockKind):
    """Expected copies of ALT, 0 to 2, of variants CHROMOSOME:POSITION:REF:ALT on a genome build.

    On X outside the pseudoautosomal regions a man has 0 or 2, as in plink2.
    """

    kind: Literal["genotype"]
    variants: Literal["listed"] | Annotated[tuple[Variant, ...], Field(min_length=1, max_length=1000)]
    build: Literal["GRCh37", "GRCh38"]

    def rule(self) -> tuple[str, ...] | None:
        return None if self.variants == "listed" else tuple(self.variants)

    def names(self) -> tuple[str, ...]:
        names = super().names()
        if not all(map(_VARIANT.match, names)):
            raise SpecError(Code.INVALID_STUDY, "a list of variants has names CHROMOSOME:POSITION:REF:ALT")
        return names

    @classmethod
    def axis_field(cls) -> str:
        return "variants"


class Rule(BaseModel):
    """Radiomic features by IBSI's families: `{family: glcm}`, `{family: [glcm, glrlm]}`, or `{family: all}`.

    aggregations: of the texture families, as the sites' settings have them.
    filters: of the images that were measured; `none` is the image itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: FamilyName | Literal["all"] | tuple[FamilyName, ...]
    aggregations: tuple[Aggregation, ...] = Field(default=("3D_avg",), min_length=1)
    filters: tuple[Listed, ...] = Field(default=("none",), min_length=1, max_length=500)


class RadiomicBlock(BlockKind):
    """Radiomic features of a region, each by filter and IBSI's tag with its aggregation: `none:stat_mean`."""

    kind: Literal["radiomic"]
    modality: Literal["CT", "MR", "PT"]
    region: str = Field(max_length=64)
    features: Literal["listed"] | Rule

    def rule(self) -> tuple[str, ...] | None:
        if self.features == "listed":
            return None
        asked = self.features.family
        families = tuple(FAMILIES) if asked == "all" else (asked,) if isinstance(asked, str) else asked
        measured = [tag for family in families for tag in tags(family, self.features.aggregations)]
        return tuple(f"{name}:{tag}" for name in self.features.filters for tag in measured)

    @classmethod
    def axis_field(cls) -> str:
        return "features"


AnyBlock = ExpressionBlock | CopyNumberBlock | MethylationBlock | GenotypeBlock | RadiomicBlock

BlockOfStudy = Annotated[AnyBlock, Field(discriminator="kind")]

BLOCK_KINDS: Mapping[str, type[BlockKind]] = {
    str(get_args(one.model_fields["kind"].annotation)[0]): one for one in get_args(AnyBlock)
}


def _by(genes: str | tuple[str, ...]) -> tuple[str, ...] | None:
    """The names that a choice of genes means; None for a list that is known by its hash alone."""
    if isinstance(genes, tuple):
        return genes
    return gene_names().symbols() if genes == "all" else None


def with_lists(blocks: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The blocks of a study's file, with each list that is a file beside it read, and named by its hash.

    Raises:
        InputError: there is no such file, or its lines are not the names of an axis.
    """
    found = dict(blocks)
    for name, block in blocks.items():
        kind = BLOCK_KINDS.get(str(block.get("kind"))) if isinstance(block, Mapping) else None
        asked = block.get(kind.axis_field()) if kind is not None else None
        if kind is not None and isinstance(asked, Mapping) and isinstance(asked.get("file"), str):
            axis = published(read_list(folder / asked["file"]))
            found[name] = {**block, kind.axis_field(): "listed", "axis": axis.model_dump()}
    return found


def lists_of(blocks: Mapping[str, BlockKind], *, of_rules: bool) -> dict[str, tuple[str, ...]]:
    """Block -> its names, of those by lists alone, or of those by rules too.

    Raises:
        SpecError: unknown-variable; a list is not known here.
    """
    return {name: block.names() for name, block in blocks.items() if of_rules or block.is_listed()}


def axes_of(blocks: Mapping[str, Any]) -> dict[str, Axis]:
    """The axis of each block of a study."""
    return {name: block.on for name, block in blocks.items() if isinstance(block, BlockKind)}
