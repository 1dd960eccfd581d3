"""Genes in several lines of a table: reads add up, and what cannot be added is read where the lines agree.

Two identifiers of one gene are two parts of its reads. A line that is there again as it is may be a copy, or
two places of one name; of two ratios, fractions or calls nobody can say which is the gene's. Such genes are
left out and told, as those of a torn line are.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

TWICE = (
    "gene-twice",
    "the table has this gene in several lines, and nobody can say which counts: they differ and cannot be "
    "added, or one is a copy; the gene is left out: keep one line of it",
)
Numbers = NDArray[np.float32]


class Doubled:
    """The lines of a table by gene, in which capitals do not count.

    Attributes:
        genes: (g,) each gene as its first line has it.
        lost: line of the table -> its gene's place, of the genes that are left out.
    """

    def __init__(
        self, features: Sequence[str], numbers: Numbers, written: Mapping[int, str], *, is_additive: bool
    ) -> None:
        """Look through a table.

        Args:
            numbers: (features, samples), as the table has them; NaN is missing.
            written: line -> what stands there for the gene, where that is not the feature itself.
        """
        names, self._first, self._of = np.unique(
            [name.upper() for name in features], return_index=True, return_inverse=True
        )
        self.genes = [features[at] for at in self._first]
        self._is_additive = is_additive
        several = np.flatnonzero((np.bincount(self._of, minlength=len(names)) > 1)[self._of])
        lost = self._copied(several, [written.get(at, features[at]) for at in several.tolist()], numbers)
        if not is_additive and len(several):
            lost |= set(np.flatnonzero((self._least(numbers) < self._most(numbers)).any(axis=1)).tolist())
        last = {int(self._of[at]): at for at in several.tolist()}
        self.lost = {last[gene]: gene for gene in sorted(lost)}

    def known(self, numbers: Numbers, broken: Collection[str]) -> Numbers:
        """(features, samples) the numbers of genes of which every line is known; NaN of the others.

        Args:
            broken: genes, in capitals, with a line that could not be read.
        """
        lost = np.array([gene.upper() in broken for gene in self.genes], dtype=bool)
        lost[list(self.lost.values())] = True
        missing = lost[:, None] | (np.isnan(self.merged(numbers)) if self._is_additive else False)
        return np.where(missing[self._of], np.float32(np.nan), numbers)

    def merged(self, values: Numbers) -> Numbers:
        """(g, samples) the numbers of each gene, of (features, samples) that can be added or agree."""
        if len(self.genes) == len(self._of):
            return values[self._first]
        if not self._is_additive:
            return self._least(values)
        found = np.zeros((len(self.genes), values.shape[1]), values.dtype)
        np.add.at(found, self._of, values)
        return found

    def _copied(self, lines: NDArray[np.intp], written: Sequence[str], numbers: Numbers) -> set[int]:
        """The genes with one name in two lines whose numbers are the same, and not all zero or missing."""
        first: dict[str, int] = {}
        found: set[int] = set()
        if not self._is_additive:
            return found
        for line, name in zip(lines.tolist(), written, strict=True):
            other = first.setdefault(name.upper(), line)
            same = other != line and np.array_equal(numbers[line], numbers[other], equal_nan=True)
            if same and np.nansum(numbers[line]) > 0:
                found.add(int(self._of[line]))
        return found

    def _least(self, values: Numbers) -> Numbers:
        found = np.full((len(self.genes), values.shape[1]), np.nan, values.dtype)
        np.fmin.at(found, self._of, values)
        return found

    def _most(self, values: Numbers) -> Numbers:
        found = np.full((len(self.genes), values.shape[1]), np.nan, values.dtype)
        np.fmax.at(found, self._of, values)
        return found
