"""Scoring files of the PGS Catalog: what a polygenic score, fitted elsewhere, adds for each variant.

A study's file names one, and the study carries its weights. The harmonized positions (`hm_chr`, `hm_pos`)
are read where the file has them, else the author's. What the score cannot be formed without is never passed
over in silence: a line without a position or without the other allele, a weight by genotype, an interaction
or a haplotype refuse the file, and whoever drops such lines does so knowingly.

Source: https://www.pgscatalog.org/downloads, "PGS Catalog Scoring Files", format 2.0.
"""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, InputError, not_found

MOST_BYTES = 4_000_000

_BUILDS = {"GRCH37": "GRCh37", "HG19": "GRCh37", "GRCH38": "GRCh38", "HG38": "GRCh38"}
_CANNOT = ("is_interaction", "is_haplotype", "is_diplotype")
_BY_GENOTYPE = ("dosage_0_weight", "dosage_1_weight", "dosage_2_weight")
_NONE = ("", "NA", ".", "nan")


def with_weights(variables: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The variables of a study's file, with the weights of each scoring file that lies beside it.

    Raises:
        InputError: there is no such file, or the score cannot be formed from it.
    """
    found = dict(variables)
    for name, variable in variables.items():
        weights = variable.get("weights") if isinstance(variable, Mapping) else None
        if isinstance(weights, Mapping) and isinstance(weights.get("file"), str):
            path = folder / weights["file"]
            build = str(variable.get("build"))
            found[name] = {**variable, "weights": [list(one) for one in read_weights(path, build)]}
    return found


def read_weights(path: Path, build: str) -> tuple[tuple[str, float, float | None], ...]:
    """(variant, weight, frequency of the effect allele) of each line; the effect allele is the variant's ALT.

    Raises:
        InputError: not-found, or invalid-study; it is no scoring file on this build that can be used.
    """
    lines = _lines(path)
    about: dict[str, str] = {}
    header: list[str] = []
    for text in lines:
        if not text.startswith("#"):
            header = text.split("\t")
            break
        key, _, value = text.lstrip("#").partition("=")
        about[key.strip()] = value.strip()
    is_harmonized = {"hm_chr", "hm_pos"} <= set(header)
    stated = about.get("HmPOS_build" if is_harmonized else "genome_build", "").upper()
    if _BUILDS.get(stated) != build:
        raise _refused(path, f"does not say that its positions are on {build}")
    if "effect_weight" not in header or "effect_allele" not in header:
        raise _refused(path, "has no columns effect_allele and effect_weight")
    if used := [name for name in _BY_GENOTYPE if name in header]:
        raise _refused(path, f"weighs genotypes and not alleles ({', '.join(used)})")
    rows = [dict(zip(header, text.split("\t"), strict=False)) for text in lines if text.strip()]
    return tuple(_weight(row, is_harmonized, path, number) for number, row in enumerate(rows, start=1))


def _weight(
    row: Mapping[str, str], is_harmonized: bool, path: Path, number: int
) -> tuple[str, float, float | None]:
    chromosome, position = (
        row.get(name, "")
        for name in (("hm_chr", "hm_pos") if is_harmonized else ("chr_name", "chr_position"))
    )
    other = _first(row, "other_allele", "reference_allele", "hm_inferOtherAllele")
    if any(row.get(name, "").upper() == "TRUE" for name in _CANNOT):
        raise _refused(path, f"has an interaction or a haplotype (line {number} of the weights)")
    if chromosome in _NONE or position in _NONE or other in _NONE or "/" in other:
        raise _refused(
            path, f"has a line without a position or the other allele (line {number} of the weights)"
        )
    frequency = row.get("allelefrequency_effect", "")
    try:
        weight = float(row.get("effect_weight", ""))
        share = None if frequency in _NONE else float(frequency)
    except ValueError:
        raise _refused(path, f"has a weight that is not a number (line {number} of the weights)") from None
    name = chromosome.removeprefix("chr").upper()
    return f"{name}:{position}:{other.upper()}:{row['effect_allele'].upper()}", weight, share


def _first(row: Mapping[str, str], *names: str) -> str:
    return next((row[name] for name in names if row.get(name, "") not in _NONE), "")


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise not_found(path, "scoring file")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        raise _refused(path, "cannot be read as text") from None
    if len(content) > MOST_BYTES:
        raise _refused(path, f"is larger than {MOST_BYTES:,} bytes")
    return iter(text.splitlines())


def _refused(path: Path, why: str) -> InputError:
    return InputError(
        Code.INVALID_STUDY, f"the scoring file {path.name} {why}", "mend the file, and cite it as changed"
    )
