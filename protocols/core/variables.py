"""How a study picks its variables from the CDM, each by its standard. The site's table builder obeys."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

ConceptCode = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+:[^\s]{1,60}$")]
"""VOCABULARY:code, such as `LOINC:89243-0`; a trailing % in the code means everything that begins so."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]

GeneSymbol = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,20}$")]

Column = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}(\.time|\.event)?$")]
"""A numeric variable, or `NAME.time` or `NAME.event` of a survival variable."""


ADDED = ("unit", "comparator")
"""Fields of a measurement that came later, and are written only where they are used."""


class _Variable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(_Variable):
    """Days relative to the index date, both ends included; None is open."""

    from_days: int | None = None
    to_days: int | None = None


class Age(_Variable):
    """Age in years at the index date; a birth date of year precision gives the difference of the years."""

    kind: Literal["age"]


class Sex(_Variable):
    """1 for the sex named, 0 for another known one."""

    kind: Literal["sex"]
    is_: Literal["female", "male"] = Field(alias="is")


class Measurement(_Variable):
    """The number of a measurement or observation; `pick` says how several become one.

    unit: in UCUM (`kg`, `10*9/L`). Numbers of other units are converted; what has no unit, or none that
        converts, is left out. Without it a site whose records are of several units refuses the study.
    comparator: what a bound such as `<0.1` becomes: nothing (`leave_out`, as without it), for `<` and `<=`
        half of the limit (`half`), or the limit itself.
    """

    kind: Literal["measurement"]
    concept: ConceptCode
    pick: Literal["first", "last", "mean", "min", "max"] = "first"
    window: Window = Window()
    unit: Annotated[str, Field(pattern=r"^[!-~]{1,40}$")] | None = None
    comparator: Literal["leave_out", "half", "limit"] | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The variable without the fields that it does not use: studies from before them keep their hash."""
        content: dict[str, Any] = dump(self)
        return {name: one for name, one in content.items() if one is not None or name not in ADDED}


class Finding(_Variable):
    """1 where a coded observation has one of the values, 0 where it has another, missing where there is none.

    `values` are source codes (`G3`) or concept codes (`LOINC:LA9633-4`).
    """

    kind: Literal["finding"]
    concept: ConceptCode
    values: tuple[str, ...] = Field(min_length=1)
    pick: Literal["first", "last", "any"] = "first"
    window: Window = Window()


class Occurrence(_Variable):
    """1 where a condition, procedure or drug was recorded in the window, else 0."""

    kind: Literal["occurrence"]
    domain: Literal["condition", "procedure", "drug"]
    concept: ConceptCode
    window: Window = Window()


class Gene(_Variable):
    """1 where the gene has a nonsynonymous variant, 0 where it was tested and has none, else missing.

    `somatic` leaves out variants that are stated to be inherited; `germline` asks for these alone.
    """

    kind: Literal["gene"]
    gene: GeneSymbol
    state: Literal["mutated"] = "mutated"
    origin: Literal["somatic", "germline", "any"] = "somatic"


class Fusion(_Variable):
    """1 where the gene is fused, with the partner if one is named; 0 where a test for fusions reached it."""

    kind: Literal["fusion"]
    gene: GeneSymbol
    partner: GeneSymbol | None = None
    least_reads: int = Field(default=1, ge=1)


class CopyNumber(_Variable):
    """The copy number of a gene: a call from -2 (deep loss) to 2 (amplification), or the log2 ratio."""

    kind: Literal["copy_number"]
    gene: GeneSymbol
    unit: Literal["call", "log2_ratio"] = "call"


class Expression(_Variable):
    """The expression of a gene; log2_tpm is log2(1 + TPM)."""

    kind: Literal["expression"]
    gene: GeneSymbol
    unit: Literal["tpm", "log2_tpm", "fpkm", "log2_fpkm"] = "log2_tpm"


class Methylation(_Variable):
    """The methylation of a probe: beta from 0 to 1, or M, its log2 odds with an offset of 0.01."""

    kind: Literal["methylation"]
    probe: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")]
    unit: Literal["beta", "m"] = "beta"


class MutationalBurden(_Variable):
    """Somatic coding mutations per megabase read; missing where the site did not say how much was read."""

    kind: Literal["mutational_burden"]
    synonymous: bool = False
    least_vaf: float = Field(default=0.0, ge=0, le=1)


class CirculatingDna(_Variable):
    """The fraction of tumour variants in blood, the largest of all or of one gene, in a window of time."""

    kind: Literal["ctdna"]
    gene: GeneSymbol | None = None
    pick: Literal["first", "last", "mean", "min", "max"] = "first"
    window: Window = Window()


class Purity(_Variable):
    """The fraction of tumour cells in the sample, as the laboratory states it."""

    kind: Literal["purity"]


class CancerCellFraction(_Variable):
    """The fraction of tumour cells that carry the gene's most clonal nonsynonymous variant."""

    kind: Literal["cancer_cell_fraction"]
    gene: GeneSymbol


class ImageFeature(_Variable):
    """An image feature by its name in a site's table: a reader's score (`vasari_f5`) or another engine's."""

    kind: Literal["image_feature"]
    feature: str = Field(max_length=200)


class Radiomic(_Variable):
    """A radiomic feature of a region: IBSI name or code, modality, region, filter."""

    kind: Literal["radiomic"]
    feature: str = Field(max_length=80)
    modality: Literal["CT", "MR", "PT"]
    region: str = Field(max_length=64)
    filter: str = "none"


ScannerPart = Literal[
    "manufacturer", "model", "kernel", "slice_thickness", "field_strength", "kvp", "contrast"
]


class Scanner(_Variable):
    """A label: the scanner of this modality's images. It never leaves the site; ComBat batches on it."""

    kind: Literal["scanner"]
    modality: Literal["CT", "MR", "PT"]
    by: tuple[ScannerPart, ...] = ("manufacturer", "model")


class Survival(_Variable):
    """Two columns, NAME.time in days from the index date and NAME.event (1 event, 0 censored).

    overall: death, censored at the last contact of a person known to be alive.
    progression_free: progression or death, censored at the last assessment.
    changing: variables whose values over the follow-up a cox with `episodes` takes, each from the day after
        it was recorded: occurrences switch on, the last number or finding is carried forward.
    """

    kind: Literal["survival"]
    endpoint: Literal["overall", "progression_free"]
    changing: tuple[Name, ...] = Field(default=(), max_length=50)


Variable = Annotated[
    Age
    | Sex
    | Measurement
    | Finding
    | Occurrence
    | Gene
    | Fusion
    | CopyNumber
    | Expression
    | Methylation
    | MutationalBurden
    | CirculatingDna
    | Purity
    | CancerCellFraction
    | ImageFeature
    | Radiomic
    | Scanner
    | Survival,
    Field(discriminator="kind"),
]


Dated = Measurement | Finding | Occurrence | CirculatingDna
"""Variables that are made of dated records, so that they can change over a follow-up."""


def check_changing(variables: Mapping[str, _Variable]) -> None:
    """Nothing, if what survival variables name as changing can change.

    Raises:
        ValueError: for pydantic; names both variables and the way out.
    """
    for outcome, survival in variables.items():
        for name in survival.changing if isinstance(survival, Survival) else ():
            variable = variables.get(name)
            if not isinstance(variable, Dated):
                raise ValueError(
                    f"{outcome}: {name} is no variable of dated records; "
                    "`changing` takes measurement, finding, occurrence and ctdna"
                )
            if not isinstance(variable, Occurrence) and variable.pick != "last":
                raise ValueError(f"{outcome}: {name} changes, so its `pick` is last: the last value holds")


def columns_of(name: str, variable: _Variable) -> tuple[str, ...]:
    """The names of the table's columns that a variable becomes."""
    if isinstance(variable, Survival):
        return (f"{name}.time", f"{name}.event")
    return (name,)
