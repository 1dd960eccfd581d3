"""What the administrator says about the files of one load, since the files do not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from protocols.core.errors import Code, InputError
from site_node.sources.genomics.builds import Builds
from site_node.sources.genomics.genes import Genes
from site_node.sources.genomics.panel import NOTHING_STATED, Panel

Origin = Literal["somatic", "germline"]
Strand = Literal["forward", "unknown"]
Values = Literal["counts", "tpm", "fpkm", "log2-tpm", "beta", "m", "log2-ratio", "copy-number-call"]


@dataclass(frozen=True)
class Asked:
    """How the files are to be understood.

    Attributes:
        panel: which genes were tested.
        patients: sample -> patient, of every sample that was tested.
        origin: `germline` where the files hold inherited variants; empty where they say so themselves.
        build: the genome build that the administrator names; empty where the files name it.
        genes: where genes lie and how long they are.
        values: what the numbers of a table of genes or probes are; empty where it says so itself.
        builds: the build of this load, once a file has stated it.
        strand: on which strand the alleles of genotypes are written; unknown where nobody says.
    """

    panel: Panel = NOTHING_STATED
    patients: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None
    build: str | None = None
    genes: Genes | None = None
    values: Values | None = None
    builds: Builds = field(default_factory=lambda: Builds(None))
    strand: Strand = "unknown"


def origin_of(text: str | None) -> Origin | None:
    """The origin that `--origin` names.

    Raises:
        InputError: it is not valid.
    """
    if text is None or text == "somatic" or text == "germline":
        return text  # type: ignore[return-value]
    raise InputError(Code.INVALID_INPUT, "--origin takes somatic or germline")


def values_of(text: str | None) -> Values | None:
    """The quantity that `--values` names.

    Raises:
        InputError: it is not valid.
    """
    if text is None or text in get_args(Values):
        return text  # type: ignore[return-value]
    raise InputError(Code.INVALID_INPUT, f"--values takes one of {', '.join(get_args(Values))}")


def strand_of(text: str | None) -> Strand:
    """The strand that `--strand` names.

    Raises:
        InputError: it is not valid.
    """
    if text is None:
        return "unknown"
    if text in get_args(Strand):
        return text  # type: ignore[return-value]
    raise InputError(Code.INVALID_INPUT, f"--strand takes one of {', '.join(get_args(Strand))}")
