"""Copy number: SEG files, and log2 ratios of single markers, which are segmented here (CBS).

A segment becomes a row of variant_occurrence. Where the site says where genes lie, each gene's log2 ratio is
kept as a profile of the sample too, from which a study takes ratio or call.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import numpy as np

from cdm.etl.record import SourceRecord, Unreadable
from site_node.features.arrays import Integers
from site_node.features.genomics import copy_number
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.builds import MIXED_BUILDS, OTHER_BUILD
from site_node.sources.genomics.columns import Cells, Table
from site_node.sources.genomics.genes import Genes
from site_node.sources.genomics.panel import Panel
from site_node.sources.genomics.profiles import Profile
from site_node.sources.genomics.samples import (
    CUT_SHORT,
    Malformed,
    Samples,
    Variant,
    chromosome_name,
    not_a_tumour,
    position_number,
    sample_of_file,
)
from site_node.sources.lines import CutShort

KIND = "Segments"
ASSAY = "copy number"
SEGMENT = "Copy_Number_Segment"
MAX_LINES = 5_000_000
MAX_PARTS = 300_000  # chromosomes of all samples together
MAX_SEGMENTS = 100_000  # of one sample
COLUMNS = {
    "sample": ("id", "sample", "sample_id", "tumor_sample_barcode", "gdc_aliquot", "barcode"),
    "chromosome": ("chrom", "chromosome", "chr", "seqnames"),
    "start": ("loc.start", "loc_start", "start", "start.bp", "start_position", "position", "pos", "maploc"),
    "end": ("loc.end", "loc_end", "end", "end.bp", "end_position", "stop"),
    "markers": ("num.mark", "num_mark", "num_probes", "num.markers", "n.probes", "probes", "num_markers"),
    "mean": ("seg.mean", "seg_mean", "segment_mean", "seg.cn", "log2", "log2_ratio", "log2ratio", "logr"),
    "build": ("ncbi_build", "genome"),
}
REQUIRED = ("chromosome", "start", "mean")
NO_GENES = ("no-gene-positions", "segments load without genes: say where genes lie by --genes")
OVERLAP = ("overlapping-segments", "the segments of a sample overlap; two results may stand in one file")
COPIES = (
    "not-log2-ratios",
    "no segment is below 0 and half of the genome is at 1 or more: copies, not log2 ratios; write log2(n/2)",
)
MANY_SEGMENTS = ("too-many-segments", f"the sample has over {MAX_SEGMENTS} segments")
LEAST_SEGMENTS = 3  # with fewer, a gain alone may be listed
LEAST_RATIO, LARGEST_RATIO = -20.0, 20.0


class _Marks:
    """Lines of one chromosome of one sample: intervals with a log2 ratio."""

    def __init__(self) -> None:
        self.start, self.end, self.markers = array("q"), array("q"), array("q")
        self.ratio = array("d")

    def add(self, start: int, end: int, markers: int, ratio: float) -> None:
        self.start.append(start)
        self.end.append(end)
        self.markers.append(markers)
        self.ratio.append(ratio)

    def sorted(self) -> tuple[copy_number.Segments, Integers]:
        """The intervals in order, and the markers of each."""
        start, end = np.array(self.start), np.array(self.end)
        order = np.lexsort((end, start))
        ratio, markers = np.array(self.ratio), np.array(self.markers)
        return copy_number.Segments(start[order], end[order], ratio[order]), markers[order]


Segmented = dict[str, tuple[copy_number.Segments, Integers]]  # chromosome -> segments, markers of each
Found = dict[str, dict[str, _Marks]]  # sample -> chromosome -> its lines


class _File:
    """The lines of one file by sample and chromosome."""

    def __init__(self, path: Path, name: str, samples: Samples) -> None:
        self.found: Found = defaultdict(lambda: defaultdict(_Marks))
        self.first_line: dict[str, int] = {}
        self.builds: set[str] = set()
        self._table = Table(path, Cells, COLUMNS, REQUIRED, MAX_LINES)
        self._parts = 0
        self._name, self._samples = name, samples

    @property
    def columns(self) -> Mapping[str, int]:
        """The columns of the file by our names."""
        return self._table.columns

    def read(self) -> Iterator[Unreadable]:
        """Take in every line; the reports are of those that hold no segment.

        Raises:
            Malformed: the file is of no use as a whole.
        """
        try:
            for number, line in self._table.lines():
                try:
                    if isinstance(line, Malformed):
                        raise line
                    self._take(number, line)
                except Malformed as fault:
                    yield self._samples.unreadable(number, fault.code, fault.reason)
        except CutShort:
            yield self._samples.unreadable(0, *CUT_SHORT)
            if self.found:
                self.found.popitem()  # the sample in which the file ends lacks segments

    def _take(self, number: int, line: Cells) -> None:
        sample = line.sample("sample") if "sample" in self.columns else sample_of_file(self._name)
        self.builds |= line.builds()
        self._samples.expect(sample, number)
        self.first_line.setdefault(sample, number)
        self._add(self.found[sample], line)

    def _add(self, chromosomes: dict[str, _Marks], line: Cells) -> None:
        start = position_number(line["start"], "start")
        end = position_number(line["end"], "end") if line["end"] else start
        ratio = line.number("mean")
        if end < start or not LEAST_RATIO <= ratio <= LARGEST_RATIO:
            raise Malformed(
                "malformed-segment", "the segment ends before it begins, or its ratio is not a log2 ratio"
            )
        chromosome = chromosome_name(line["chromosome"], "chromosome")
        self._parts += chromosome not in chromosomes
        if self._parts > MAX_PARTS:
            raise Malformed(
                "too-many-samples", f"over {MAX_PARTS} chromosomes of all samples: split the file"
            )
        chromosomes[chromosome].add(start, end, line.count("markers") or 1, ratio)

    def has_copies(self) -> bool:
        """Whether the numbers are copies: of log2 ratios some are below 0, and the most are near it."""
        marks = [one for chromosomes in self.found.values() for one in chromosomes.values()]
        if not marks:
            return False
        ratio = np.concatenate([one.ratio for one in marks])
        length = np.concatenate([np.subtract(one.end, one.start) + 1 for one in marks])
        are_many = ratio.size >= LEAST_SEGMENTS
        return bool(are_many and ratio.min() >= 0 and length[ratio >= 1].sum() * 2 >= length.sum())

    def build(self, asked: Asked) -> str | None:
        """The genome build.

        Raises:
            Malformed: the file, the genes and the load have more than one.
        """
        if len(self.builds) > 1:
            raise Malformed(*MIXED_BUILDS)
        of_genes = asked.genes.build if asked.genes else None
        build = next(iter(self.builds), None) or asked.build or of_genes
        if not asked.builds.admits(build) or of_genes not in (None, build):
            raise Malformed(*OTHER_BUILD)
        return build


def read(path: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record per sample with its segments, one with its genes, and a report of what could not be read."""
    samples = Samples(KIND, name, asked, ASSAY)
    file = _File(path, name, samples)
    try:
        yield from file.read()
        build = file.build(asked)
    except Malformed as fault:
        yield samples.unreadable(0, fault.code, fault.reason)
        return
    if file.has_copies():
        yield samples.unreadable(0, *COPIES)
        return
    if not asked.genes:
        yield samples.unreadable(0, *NO_GENES)
    for sample, chromosomes in file.found.items():
        line = file.first_line[sample]
        segments = _segments(chromosomes, "markers" in file.columns)
        if refusal := not_a_tumour(sample, asked.patients):
            yield samples.unreadable(line, *refusal)
        elif sum(len(one.start) for one, _ in segments.values()) > MAX_SEGMENTS:
            yield samples.unreadable(line, *MANY_SEGMENTS)
        elif any((one.start[1:] <= one.end[:-1]).any() for one, _ in segments.values()):
            yield samples.unreadable(line, *OVERLAP)
        else:
            yield from _records(samples, name, sample, line, segments, build, asked)


def _records(
    samples: Samples, name: str, sample: str, line: int, segments: Segmented, build: str | None, asked: Asked
) -> Iterator[SourceRecord]:
    position = f"{name}:{line}"
    variants = [variant for c, (one, markers) in segments.items() for variant in _rows(c, one, markers)]
    yield samples.record(sample, position, Panel("genome"), build, variants, _digest(variants))
    if asked.genes:
        ratios = _genes(segments, asked.genes)
        profile = Profile(name, asked, ASSAY, "log2 ratio", build, list(ratios))
        yield profile.record(sample, position, np.array(list(ratios.values()), dtype=np.float32))


def _segments(chromosomes: dict[str, _Marks], is_segmented: bool) -> Segmented:
    """Chromosome -> its segments and the markers of each; of single markers they are found here."""
    found = {chromosome: marks.sorted() for chromosome, marks in chromosomes.items()}
    if is_segmented:
        return found
    from site_node.features.genomics.segmentation import means, segment  # compiles at its first use

    for chromosome, (markers, _) in found.items():
        ends = segment(markers.log2_ratio)
        segments = copy_number.Segments(
            markers.start[ends[:-1]], markers.end[ends[1:] - 1], means(markers.log2_ratio, ends)
        )
        found[chromosome] = segments, np.diff(ends)
    return found


def _digest(variants: list[Variant]) -> str:
    """What tells two segmentations of one sample apart: they may not be mixed in one test."""
    text = ";".join(f"{one['cnv_locus']}={one['copy_number']:.6g}" for one in variants)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _rows(chromosome: str, segments: copy_number.Segments, markers: Integers) -> Iterator[Variant]:
    copies = copy_number.copies(segments.log2_ratio)
    for start, end, copy, count in zip(segments.start, segments.end, copies, markers, strict=True):
        yield {
            "chromosome": chromosome,
            "position": int(start),
            "end_position": int(end),
            "cnv_locus": f"{chromosome}:{start}-{end}",
            "copy_number": float(copy),
            "variant_classification": SEGMENT,
            "variant_feature": f"{count} markers",
        }


def _genes(segments: Segmented, genes: Genes) -> dict[str, float]:
    """Symbol -> log2 ratio, of the genes that a segment covers."""
    on: defaultdict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for symbol, (chromosome, start, end) in genes.positions.items():
        on[chromosome].append((symbol, start, end))
    ratios: dict[str, float] = {}
    for chromosome, (found, _) in segments.items():
        if not on[chromosome]:
            continue
        symbols, starts, ends = zip(*on[chromosome], strict=True)
        of_genes = copy_number.of_genes(found, np.array(starts), np.array(ends))
        ratios |= {s: float(r) for s, r in zip(symbols, of_genes, strict=True) if not np.isnan(r)}
    return ratios
