"""PGEN filesets of known genotypes, and plink2 over them."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pgenlib
import pytest

from site_node.features.arrays import Floats

PLINK2 = shutil.which("plink2")
needs_plink2 = pytest.mark.skipif(PLINK2 is None, reason="plink2 is not installed")


def write_pgen(stem: Path, variants: Sequence[str], copies: Floats) -> None:
    """A fileset of the (n, v) hard calls of variants CHROMOSOME:POSITION:REF:ALT, which are its ids too."""
    calls = np.where(np.isnan(copies), -9, copies).astype(np.int8).T
    path = stem.with_suffix(".pgen")
    with pgenlib.PgenWriter(str(path).encode(), len(copies), variant_ct=len(variants)) as writer:
        writer.append_biallelic_batch(np.ascontiguousarray(calls))
    rows = (name.split(":") for name in variants)
    lines = [f"{c}\t{p}\t{c}:{p}:{ref}:{alt}\t{ref}\t{alt}" for c, p, ref, alt in rows]
    stem.with_suffix(".pvar").write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "\n".join(lines) + "\n")
    people = "".join(f"p{i}\t2\n" for i in range(len(copies)))
    stem.with_suffix(".psam").write_text("#IID\tSEX\n" + people)


def plink2(stem: Path, *words: str) -> None:
    """Runs plink2 on a fileset; its outputs lie beside, `stem` with their endings."""
    assert PLINK2 is not None
    command = [PLINK2, "--pfile", str(stem), "--threads", "1", *words, "--out", str(stem)]
    subprocess.run(command, cwd=stem.parent, check=True, capture_output=True)
