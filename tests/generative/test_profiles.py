"""Tables of genes that are odd but legal: expression, copy number calls and ratios, segments.

What each says of each gene is known as its cells are drawn; pandas reads the table once more, and of segments
a gene's ratio is found base by base.
"""

import gzip
import io
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.random import Generator
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.vocabulary.concepts import Vocabulary
from site_node.sources import genomics
from site_node.study_table.genomic_records import profile
from site_node.study_table.people import People
from tests.generative.draws import DRAWS, chance, one

IDENTITY = Identity(b"k" * 32)
SPELLED = {  # symbol -> names that mean it alone
    "IDH1": ("IDH1", "idh1", "IDH1"),
    "TP53": ("TP53", "P53"),
    "CEP43": ("CEP43", "FGFR1OP"),
    "KMT2A": ("KMT2A", "MLL"),
    "SEPTIN9": ("SEPTIN9", "SEPT9"),
    "EGFR": ("EGFR", "ERBB1"),
    "PTEN": ("PTEN",),
}
QUANTITIES = {"tpm": "tpm", "fpkm": "fpkm", "log2-tpm": "tpm", "counts": "tpm"}
QUANTITIES |= {"log2-ratio": "log2 ratio", "copy-number-call": "copy number call"}
MISSING = ("", "NA", "NaN", "nan", "null", ".")
IMPOSSIBLE = {
    **dict.fromkeys(("tpm", "fpkm", "counts"), ("-1", "high", "<4", "3,5e", "1e400", "inf")),
    "log2-tpm": ("-0.5", "41", "high"),
    "log2-ratio": ("25", "-30", "gain"),
    "copy-number-call": ("3", "-3", "0.5"),
}
FIRST = ("gene_id", "Hugo_Symbol", "gene", "Name", "GENE_SYMBOL", "")
BESIDE = ("Entrez_Gene_Id", "Cytoband", "Description")
Truth = dict[tuple[str, str], float]


class Table:
    """A table as it is drawn: `truth` is each patient's number of each gene, NaN where there is none."""

    def __init__(self, rng: Generator, name: str, values: str) -> None:
        self.rng, self.values = rng, values
        self.patients = [f"{name}x{i}" for i in range(int(rng.integers(1, 4)))]
        self.samples = list(self.patients)
        self.normal = f"TCGA-AA-{name[-4:].rjust(4, '0')}-11A" if rng.random() < 0.3 else ""
        if self.normal:  # of a tumour that is there as well: its numbers are not the tumour's
            self.patients.append(self.normal[:12])
            self.samples += [f"{self.normal[:12]}-01A", self.normal]
        self.separator = "," if rng.random() < 0.3 else "\t"
        self.numbers: dict[str, list[float]] = {}
        self.lengths: dict[str, float] = {}
        genes = [list(SPELLED)[i] for i in rng.permutation(len(SPELLED))[: int(rng.integers(3, 8))]]
        self.lines = [line for gene in genes for line in self.of(gene)]
        if rng.random() < 0.4:
            self.lines.append([str(one(rng, "1-Sep", "2-Mar", "")), *("1" for _ in self.samples)])
        self.lines = [self.lines[i] for i in rng.permutation(len(self.lines))]

    def of(self, gene: str) -> list[list[str]]:
        """The lines of a gene: one, or two that add up where numbers are of reads."""
        rng = self.rng
        name = str(one(rng, *SPELLED[gene]))
        adds = self.values in ("tpm", "fpkm", "counts") and rng.random() < 0.2
        self.numbers[gene] = [0.0] * len(self.samples)
        self.lengths[gene] = float(rng.integers(200, 9000))
        found, is_broken = [], False
        for _ in range(2 if adds else 1):
            numbers = [self.number() for _ in self.samples]
            cells = [self.written(number) for number in numbers]
            if rng.random() < 0.1:
                cells[int(rng.integers(len(cells)))] = str(one(rng, *IMPOSSIBLE[self.values]))
                is_broken = True
            else:
                self.numbers[gene] = [a + b for a, b in zip(self.numbers[gene], numbers, strict=True)]
            found.append([name, *cells])
        if is_broken:
            self.numbers[gene] = [np.nan] * len(self.samples)  # the other line is a part of its reads
        return found

    def number(self) -> float:
        rng = self.rng
        if rng.random() < 0.1:
            return np.nan
        match self.values:
            case "counts":
                return float(rng.integers(0, 5000))
            case "log2-ratio":
                return round(float(rng.normal()), 4)
            case "copy-number-call":
                return float(rng.integers(-2, 3))
            case "log2-tpm":
                return round(float(rng.exponential(3)), 4)
        return round(float(rng.exponential(20)), 3)

    def written(self, number: float) -> str:
        if np.isnan(number):
            return str(one(self.rng, *MISSING))
        ways = (f"{number!r}", f"{number:.8e}", f" {number!r} ", f"{number:.6f}")
        return ways[int(self.rng.integers(len(ways)))]

    def text(self) -> str:
        rng = self.rng
        first = str(one(rng, *FIRST))
        beside = [name for name in BESIDE if rng.random() < 0.2] if self.values != "counts" else []
        samples = self.samples
        if self.values == "counts":  # as featureCounts writes them
            first, beside, self.separator = "Geneid", ["Chr", "Start", "End", "Strand", "Length"], "\t"
            samples = [f"/run/{sample}.sorted.bam" for sample in samples]
        rows = [[first, *beside, *samples]]
        of_name = {name: gene for gene, names in SPELLED.items() for name in names}
        for line in self.lines:
            length = f"{self.lengths.get(of_name.get(line[0], ''), 500.0):g}"
            cells = {"Length": length, "Chr": "1;1", "Start": "1;9", "End": "5;12", "Strand": "+;+"}
            rows.append([line[0], *(cells.get(name, "7") for name in beside), *line[1:]])
        quotes = rng.random() < 0.3
        shown = [[f'"{cell}"' if quotes else cell for cell in row] for row in rows]
        above = "# Program:featureCounts\n" if self.values == "counts" else ""
        if self.separator == "\t" and self.values != "counts" and rng.random() < 0.2:
            above = f"#1.2\n{len(self.lines)}\t{len(self.samples)}\n"  # a GCT's size
        return above + "".join(f"{self.separator.join(row)}\n" for row in shown)

    def truth(self) -> Truth:
        """Of a patient with a normal sample the tumour's number."""
        genes = list(self.numbers)
        table = np.array([self.numbers[gene] for gene in genes])
        if self.values == "log2-tpm":
            table = np.exp2(table) - 1
        if self.values == "counts":
            rates = table / np.array([self.lengths[gene] for gene in genes])[:, None]
            sums = np.nansum(rates, axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                table = np.where(sums > 0, 1e6 * rates / sums, np.nan)
        return {
            (patient, gene): float(table[g, p])
            for p, patient in enumerate(self.patients)
            for g, gene in enumerate(genes)
        }


def as_pandas_reads(table: Table, text: str) -> dict[tuple[str, str], float]:
    """(sample, gene) -> its number in the text, of lines with numbers alone."""
    body = text[text.index("\n", text.index("\n") + 1) + 1 :] if text.startswith("#1.2") else text
    frame = pd.read_csv(io.StringIO(body), sep=table.separator, comment="#", dtype=str, index_col=0)
    of_name = {name: gene for gene, names in SPELLED.items() for name in names}
    found: defaultdict[tuple[str, str], float] = defaultdict(float)
    for name, row in frame.iterrows():
        numbers = pd.to_numeric(row.iloc[-len(table.samples) :].str.strip(), errors="coerce")
        for sample, number in zip(table.samples, numbers, strict=True):
            if name in of_name:
                found[sample, of_name[str(name)]] += number
    return found


def numbers_of(engine: Engine, quantity: str, keys: Truth) -> Truth:
    """What a study's variable reads of each (patient, gene)."""
    ids = {IDENTITY.person_id("", patient): patient for patient, _ in keys}
    persons = np.array(sorted(ids), dtype=np.int64)
    index = np.full(len(persons), np.datetime64("2024-01-01"), dtype="datetime64[D]")
    found: Truth = {}
    with engine.connect() as connection:
        people = People(connection, Vocabulary(engine), persons, index)
        for gene in {gene for _, gene in keys}:
            values = profile(people, quantity, gene).tolist()
            found |= {(ids[key], gene): value for key, value in zip(persons.tolist(), values, strict=True)}
    return found


def wrong(found: Truth, right: Truth) -> dict[tuple[str, str], tuple[float, float]]:
    return {
        key: (found[key], value)
        for key, value in right.items()
        if found[key] != pytest.approx(value, rel=2e-6, abs=2e-6, nan_ok=True)
    }


@DRAWS
@pytest.mark.parametrize("values", QUANTITIES)
def test_a_gene_has_the_number_of_its_cell(
    values: str, draws: range, sqlite_engine: Engine, tmp_path: Path
) -> None:
    right: Truth = {}
    for draw in draws[:: len(QUANTITIES)]:
        table = Table(chance(values, draw), f"Q{draw:04d}", values)
        text = table.text()
        truth = table.truth()
        is_torn = table.separator == "," and ",3,5e" in text  # pandas takes the longer line for an index
        if values in ("tpm", "fpkm", "log2-ratio", "copy-number-call") and not is_torn:
            theirs = as_pandas_reads(table, text)
            known = {key for key, value in truth.items() if not np.isnan(value)}
            for patient, gene in known:
                assert theirs[table.samples[table.patients.index(patient)], gene] == pytest.approx(
                    truth[patient, gene]
                )
        right |= truth
        end = str(one(table.rng, "\n", "\r\n"))
        content = (b"\xef\xbb\xbf" if draw % 7 == 0 else b"") + text.replace("\n", end).encode()
        name = f"{draw}.txt"
        if draw % 5 == 0:
            name, content = f"{name}.gz", gzip.compress(content, 1)
        (tmp_path / name).write_bytes(content)
    load(sqlite_engine, genomics.read(tmp_path, values=values), "genomics", IDENTITY)
    assert wrong(numbers_of(sqlite_engine, QUANTITIES[values], right), right) == {}


GENES = {  # symbol -> chromosome, first and last base; far smaller than genes, so that each base is looked at
    "IDH1": ("2", 100, 139), "TP53": ("17", 300, 420), "EGFR": ("7", 50, 90), "PTEN": ("10", 500, 560),
    "MET": ("7", 200, 260), "BRAF": ("7", 400, 407), "AR": ("X", 100, 180), "KMT2A": ("11", 10, 59),
}  # fmt: skip
CHROMOSOMES = sorted({chromosome for chromosome, _, _ in GENES.values()})
HEADERS = (
    ("ID", "chrom", "loc.start", "loc.end", "num.mark", "seg.mean"),
    ("Sample", "Chromosome", "Start", "End", "Num_Probes", "Segment_Mean"),
    ("Tumor_Sample_Barcode", "chr", "start", "end", "n.probes", "log2"),
)


def segments_of(rng: Generator) -> list[tuple[str, int, int, float]]:
    """(chromosome, first, last base, ratio) without overlap, with gaps here and there."""
    found = []
    for chromosome in CHROMOSOMES:
        cuts = np.unique(rng.integers(1, 600, int(rng.integers(1, 7))))
        for start, end in zip(cuts[:-1], cuts[1:] - 1, strict=True):
            if end >= start and rng.random() < 0.85:
                found.append((chromosome, int(start), int(end), round(float(rng.normal(0, 0.8)), 4)))
    return found


def ratio_by_base(segments: list[tuple[str, int, int, float]], gene: str) -> float | None:
    """The ratio of the segment that covers most of a gene's bases, NaN where none covers half of them.

    None where two cover equally many: either is right.
    """
    chromosome, first, last = GENES[gene]
    bases = [
        place
        for base in range(first, last + 1)
        for place, (name, start, end, _) in enumerate(segments)
        if name == chromosome and start <= base <= end
    ]
    counts = np.bincount(bases, minlength=1)
    if 2 * counts.max() < last - first + 1:
        return np.nan
    return segments[int(counts.argmax())][3] if (counts == counts.max()).sum() == 1 else None


@DRAWS
def test_a_gene_has_the_ratio_of_its_segment(draws: range, sqlite_engine: Engine, tmp_path: Path) -> None:
    places = tmp_path / "genes.bed"
    places.write_text("".join(f"chr{c}\t{a - 1}\t{b}\t{gene}\n" for gene, (c, a, b) in GENES.items()))
    folder = tmp_path / "segments"
    folder.mkdir()
    right: Truth = {}
    for draw in draws:
        rng = chance("segments", draw)
        header = HEADERS[int(rng.integers(len(HEADERS)))]
        prefix, number_of_x = str(one(rng, "", "chr", "Chr")), str(one(rng, "X", "23", "x"))
        rows = []
        for sample in (f"S{draw}x0", f"TCGA-AB-{draw:04d}-01A", f"TCGA-AB-{draw:04d}-10A"):
            segments = segments_of(rng)
            if not sample.endswith("10A"):  # blood
                patient = sample[:12] if sample.startswith("TCGA") else sample
                truth = {gene: ratio_by_base(segments, gene) for gene in GENES}
                right |= {(patient, gene): r for gene, r in truth.items() if r is not None}
            for chromosome, start, end, ratio in segments:
                name = prefix + (number_of_x if chromosome == "X" else chromosome)
                rows.append([sample, name, str(start), str(end), "12", f"{ratio!r}"])
        rows = [rows[i] for i in rng.permutation(len(rows))]
        text = "".join("\t".join(row) + "\n" for row in [list(header), *rows])
        (folder / f"{draw}.seg").write_text(text)
    load(sqlite_engine, genomics.read(folder, genes=places), "genomics", IDENTITY)
    assert wrong(numbers_of(sqlite_engine, "log2 ratio", right), right) == {}
