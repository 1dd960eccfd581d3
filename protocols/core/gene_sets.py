"""Sets of genes as MSigDB writes them (GMT): name, description, genes, one set per line, parted by tabs.

A study's file names one where an analysis has `sets: {file: hallmark.gmt}`, with `only: [HALLMARK_HYPOXIA]`
for some of its sets; the study carries their genes. Set names become those of columns: lower case, and an
underscore for whatever is no letter or digit. A gene that is written twice counts once.

Source: https://docs.gsea-msigdb.org, "Data formats", GMT.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, InputError, not_found

MOST_BYTES = 4_000_000


def with_gene_sets(analyses: Sequence[Any], folder: Path) -> list[Any]:
    """The analyses of a study's file, with the genes of each file of gene sets that lies beside it.

    Raises:
        InputError: there is no such file, or it has no such sets.
    """
    return [_with_sets(analysis, folder) for analysis in analyses]


def _with_sets(analysis: Any, folder: Path) -> Any:
    spec = analysis.get("spec") if isinstance(analysis, Mapping) else None
    asked = spec.get("sets") if isinstance(spec, Mapping) else None
    if spec is None or not isinstance(asked, Mapping) or not isinstance(asked.get("file"), str):
        return analysis
    path = folder / asked["file"]
    sets = read_gmt(path)
    only = asked.get("only", list(sets))
    if missing := [name for name in only if name not in sets]:
        raise _refused(path, f"has no set {', '.join(map(str, missing[:10]))}")
    return {**analysis, "spec": {**spec, "sets": _by_column(path, {name: sets[name] for name in only})}}


def _by_column(path: Path, sets: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The same under names that columns may have."""
    found: dict[str, list[str]] = {}
    for name, genes in sets.items():
        column = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
        if column in found:
            raise _refused(path, f"has two sets that would both be the column {column!r}")
        found[column] = list(genes)
    return found


def read_gmt(path: Path) -> dict[str, tuple[str, ...]]:
    """Set -> its genes, each once, in the order of the file.

    Raises:
        InputError: not-found, or invalid-study; the text says which line is not a set of genes.
    """
    if not path.is_file():
        raise not_found(path, "file of gene sets")
    content = path.read_bytes()
    if len(content) > MOST_BYTES:
        raise _refused(path, f"is larger than {MOST_BYTES:,} bytes")
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise _refused(path, "is not text") from None
    sets: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, *genes = (*line.split("\t"), "")
        if not any(gene.strip() for gene in genes):
            raise _refused(path, f"has a line without genes ({number})")
        if name in sets:
            raise _refused(path, f"has a set twice, in line {number} again")
        sets[name] = tuple(dict.fromkeys(gene.strip() for gene in genes if gene.strip()))
    return sets


def _refused(path: Path, why: str) -> InputError:
    return InputError(Code.INVALID_STUDY, f"the file of gene sets {path.name} {why}", "mend the file")
