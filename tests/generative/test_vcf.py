"""VCF files that are odd but legal; cyvcf2 (htslib) says which alleles and reads each sample has."""

from pathlib import Path

import pytest
from numpy.random import Generator
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from site_node.sources import genomics
from tests.generative.draws import DRAWS, chance, one
from tests.generative.test_maf import MUTATED, NOT_MUTATED, OPEN, Truth, disagreements, states

cyvcf2 = pytest.importorskip("cyvcf2", reason="the second reader of VCF: pip install cyvcf2")
IDENTITY = Identity(b"k" * 32)
GENES = ("IDH1", "TP53", "EGFR", "PTEN", "ATRX")
YES = (
    "missense_variant",
    "stop_gained",
    "frameshift_variant",
    "splice_donor_variant&intron_variant",
    "start_lost",
)
NO = (
    "synonymous_variant",
    "intron_variant",
    "3_prime_UTR_variant",
    "upstream_gene_variant",
    "splice_region_variant",
)
SITES = (  # REF, the ALTs, of all kinds that share a line
    ("C", ("T",)), ("c", ("t",)), ("C", ("T", "A")), ("A", ("AT", "T")), ("CA", ("C", "CT")),
    ("A", ("AA", "AAA")), ("CAG", ("C", "CAGAG")), ("G", ("<DEL>",)), ("G", ("G]17:198982]",)),
    ("C", ("T", "*")), ("C", ("<NON_REF>",)), ("C", ("T", "<NON_REF>")), ("N", ("<DUP>",)), ("CAA", ("TG",)),
    ("C", ("T", "A", "G")), ("TA", ("T", "TAA", "GA")),
)  # fmt: skip
HEAD = """##fileformat=VCFv4.{minor}
##contig=<ID=1,length=249250621>
##contig=<ID=chr2>
##contig=<ID=17>
##contig=<ID=X>
##FILTER=<ID=LowQual,Description="low">
##INFO=<ID=SOMATIC,Number=0,Type=Flag,Description="s">
##INFO=<ID=DP,Number=1,Type=Integer,Description="d">
##FORMAT=<ID=GT,Number=1,Type=String,Description="g">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="a">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="d">
##FORMAT=<ID=AF,Number=A,Type=Float,Description="f">
##FORMAT=<ID=XX,Number=1,Type=String,Description="x">
"""
ANN = (
    "##INFO=<ID=ANN,Number=.,Type=String,"
    "Description=\"Functional annotations: 'Allele | Annotation | Annotation_Impact'\">\n"
)
CSQ = (
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. '
    'Format: Allele|Consequence|IMPACT|SYMBOL|Gene|Feature">\n'
)
Effects = dict[int, list[tuple[str, str]]]  # allele from 1 -> (gene, term)


def vep_alleles(reference: str, alternates: tuple[str, ...]) -> list[str]:
    """As Bio::EnsEMBL::VEP::Parser::VCF writes them."""
    plain = [one for one in (reference, *alternates) if one.isalpha()]
    is_indel = any(len(one) != len(reference) for one in plain)
    if is_indel and len({one[0] for one in plain}) == 1:
        return [(one[1:] or "-") if one.isalpha() else one for one in alternates]
    words = {"<DEL>": "deletion", "<DUP>": "duplication"}
    return [words.get(one, one) for one in alternates]


class Drawn:
    """A file as it is drawn, with the effect of each allele of each line."""

    def __init__(self, rng: Generator, name: str) -> None:
        self.rng, self.name = rng, name
        self.is_vep = rng.random() < 0.5
        self.tumours = [f"{name}-T{i}" for i in range(int(rng.integers(1, 4)))]
        self.normal_of = {t: t.replace("-T", "-N") for t in self.tumours if rng.random() < 0.3}
        self.samples = [*self.tumours, *self.normal_of.values()]
        self.samples = [self.samples[i] for i in rng.permutation(len(self.samples))]
        self.effects: list[Effects] = []
        self.filters: list[str] = []
        self.lines = [self.line(position) for position in range(100, 100 + int(rng.integers(2, 8)))]

    def line(self, number: int) -> str:
        """One line of the file."""
        rng = self.rng
        reference, alternates = SITES[int(rng.integers(len(SITES)))]
        effects: Effects = {}
        for allele, alternate in enumerate(alternates, start=1):
            if alternate not in ("*", "<NON_REF>"):
                genes = [str(one(rng, *GENES))]
                if rng.random() < 0.2:
                    genes.append(str(one(rng, *GENES)))
                effects[allele] = [(gene, str(one(rng, *YES, *NO))) for gene in dict.fromkeys(genes)]
        self.effects.append(effects)
        self.filters.append(str(one(rng, "PASS", "PASS", ".", "LowQual")))
        keys = [str(one(rng, "GT", "GT", "GT:AD", "GT:AD:DP", "GT:DP:AD", "AD:GT"))][0].split(":")
        if keys[0] == "AD" and len(keys) == 2:
            keys = ["GT", "XX", "AD"]  # GT stands first (VCF 1.6.2)
        cells = [self.cell(keys, len(alternates)) for _ in self.samples]
        info = [f"DP={rng.integers(10, 99)}", self.info(reference, alternates, effects)]
        text = [
            str(one(rng, "1", "chr2", "17", "X")),
            str(number * 100),
            ".",
            reference,
            ",".join(alternates),
        ]
        text += [
            ".",
            self.filters[-1],
            ";".join(part for part in info if part) or ".",
            ":".join(keys),
            *cells,
        ]
        return "\t".join(text)

    def info(self, reference: str, alternates: tuple[str, ...], effects: Effects) -> str:
        spelled = vep_alleles(reference, alternates) if self.is_vep else alternates
        written = []
        for allele, found in effects.items():
            for gene, term in found:
                name = spelled[allele - 1].upper() if self.rng.random() < 0.5 else spelled[allele - 1]
                if self.is_vep:
                    written.append(f"{name}|{term}|HIGH|{gene}|E|T")
                else:
                    written.append(f"{name}|{term}|HIGH|{gene}|E|transcript|T|coding|1/2|c.1A>T|p.K1L|||||")
        order = self.rng.permutation(len(written))
        return f"{'CSQ' if self.is_vep else 'ANN'}=" + ",".join(written[i] for i in order) if written else ""

    def cell(self, keys: list[str], alternates: int) -> str:
        rng = self.rng
        alleles = [str(rng.integers(0, alternates + 1)) if rng.random() < 0.85 else "." for _ in range(2)]
        if rng.random() < 0.1:
            alleles = alleles[:1]
        genotype = str(one(rng, "/", "|")).join(alleles)
        reads = [
            int(rng.integers(1, 40)),
            *(int(rng.integers(0, 30)) * int(rng.random() < 0.5) for _ in range(alternates)),
        ]
        values = {"GT": genotype, "AD": ",".join(map(str, reads)), "DP": str(sum(reads)), "XX": "x"}
        cell = [values[key] for key in keys]
        if rng.random() < 0.15:
            cell = cell[:1]  # trailing fields may be dropped
        return ":".join(cell)

    def content(self) -> str:
        """The file."""
        rng = self.rng
        minor = int(rng.integers(1, 4))
        head = HEAD.format(minor=minor) + (CSQ if self.is_vep else ANN)
        for tumour, normal in self.normal_of.items():
            derived = "Derived" if minor < 3 else "ID"
            head += f"##PEDIGREE=<{derived}={tumour},Original={normal}>\n"
        head += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t" + "\t".join(self.samples)
        return str(one(rng, "\n", "\n", "\r\n")).join((*head.split("\n"), *self.lines)) + "\n"

    def truth(self, path: Path) -> Truth:
        """What each tumour's genes are, of the alleles that htslib reads."""
        found: Truth = {(tumour, gene): NOT_MUTATED for tumour in self.tumours for gene in GENES}
        reader = cyvcf2.VCF(str(path), strict_gt=True)
        column = {sample: i for i, sample in enumerate(reader.samples)}
        for variant, effects, stated in zip(reader, self.effects, self.filters, strict=True):
            if stated == "LowQual":
                continue
            reads = variant.format("AD") if "AD" in variant.FORMAT else None
            for tumour in self.tumours:
                called = variant.genotypes[column[tumour]][:-1]
                normal = self.normal_of.get(tumour)
                for allele, of_allele in effects.items():
                    own = reads[column[tumour]] if reads is not None else []
                    has_reads = len(own) > allele and own[allele] > 0
                    if allele in called:
                        state = MUTATED
                    elif -1 in called and has_reads:
                        state = OPEN
                    else:
                        continue
                    if normal and self.is_in(variant, column[normal], allele, reads):
                        continue
                    for gene, term in of_allele:
                        self.learn(found, tumour, gene, term, state)
        return found

    def is_in(self, variant: object, column: int, allele: int, reads: object) -> bool:
        """Whether the normal sample has the allele: called, or not called and in a fifth of its reads."""
        called = variant.genotypes[column][:-1]  # type: ignore[attr-defined]
        if any(one != -1 for one in called):
            return allele in called
        own = reads[column] if reads is not None else [-1]  # type: ignore[index]
        return bool(min(own) >= 0 and own[allele] / sum(own) >= 0.2)

    def learn(self, found: Truth, tumour: str, gene: str, term: str, state: float) -> None:
        if term in YES and found[tumour, gene] != MUTATED:
            found[tumour, gene] = state


@DRAWS
def test_a_gene_is_mutated_as_the_genotypes_that_htslib_reads_say(
    draws: range, sqlite_engine: Engine, tmp_path: Path
) -> None:
    truth: Truth = {}
    for draw in draws:
        drawn = Drawn(chance("vcf", draw), f"P{draw}")
        path = tmp_path / f"{draw}.vcf"
        path.write_text(drawn.content(), newline="")
        truth |= drawn.truth(path)
    load(sqlite_engine, genomics.read(tmp_path, "exome"), "genomics", IDENTITY)
    assert disagreements(states(sqlite_engine, truth), truth) == {}
