"""MAF files that are odd but legal: what each says of each gene is known as its lines are drawn."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.random import Generator
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.vocabulary.concepts import Vocabulary
from site_node.sources import genomics
from site_node.study_table.genomic_records import gene_states
from site_node.study_table.people import People
from tests.generative.draws import DRAWS, chance, one

IDENTITY = Identity(b"k" * 32)
MUTATED, NOT_MUTATED, OPEN = 1.0, 0.0, np.nan
NAMES = {  # symbol -> names that mean it alone
    "IDH1": ("IDH1", "idh1", "Idh1", " IDH1"),
    "TP53": ("TP53", "tp53", "P53", "LFS1"),
    "CEP43": ("CEP43", "FGFR1OP"),
    "KMT2A": ("KMT2A", "MLL", "mll"),
    "HLA-A": ("HLA-A", "HLA.A"),
    "SEPTIN9": ("SEPTIN9", "SEPT9", "MSF1"),
    "POU5F1": ("POU5F1", "OTF3"),
    "EGFR": ("EGFR", "ERBB1"),
    "PTEN": ("PTEN", "MMAC1"),
}
DAYS = ("9-Sep", "Sep-09", "2019-09-09", "9/9/2019", "09-Sep-19", "43717", "2019-09-09 00:00:00")
ENTREZ = {"IDH1": "3417", "TP53": "7157", "CEP43": "11116", "KMT2A": "4297", "EGFR": "1956", "PTEN": "5728"}
YES = (
    *("Missense_Mutation", "Nonsense_Mutation", "Frame_Shift_Del", "Splice_Site", "In_Frame_Ins"),
    *("Nonstop_Mutation", "Translation_Start_Site", "missense_mutation", "MISSENSE_MUTATION"),
)
NO = ("Silent", "Intron", "3'UTR", "5'Flank", "RNA", "IGR", "silent")
UNSURE = ("Unknown", "Something_Else")
AS_IT_IS, NOTHING, IN_DOUBT = "as it is", "nothing", "in doubt"
STATUS = {
    "Somatic": AS_IT_IS, "somatic": AS_IT_IS, "": AS_IT_IS, "Unknown": AS_IT_IS, "SOMATIC": AS_IT_IS,
    "Germline": NOTHING, "LOH": NOTHING, "None": NOTHING, "Wildtype": NOTHING, "none": NOTHING,
    "Maybe": IN_DOUBT,
}  # fmt: skip
VALIDATION = {"": AS_IT_IS, "Valid": AS_IT_IS, "Untested": AS_IT_IS, "Invalid": NOTHING, "Wildtype": NOTHING}
FILTER = {
    "": AS_IT_IS,
    "PASS": AS_IT_IS,
    ".": AS_IT_IS,
    "common_variant": NOTHING,
    "panel_of_normals": NOTHING,
}
# (reference, first, second tumour allele): what they say
ALLELES = {
    ("C", "C", "T"): AS_IT_IS,
    ("C", "T", "C"): AS_IT_IS,
    ("c", "c", "t"): AS_IT_IS,
    ("C", "T", "T"): AS_IT_IS,
    ("C", "C", ""): AS_IT_IS,  # the other allele is not told
    ("C", "", "T"): AS_IT_IS,
    ("CA", "CA", "-"): AS_IT_IS,
    ("-", "-", "GGT"): AS_IT_IS,
    ("C", "C", "C"): NOTHING,
    ("c", "C", "C"): NOTHING,
    ("", "", ""): AS_IT_IS,
}
DAMAGE = ("position", "position of a float", "class", "too few fields")
COLUMNS = (
    *("Hugo_Symbol", "Entrez_Gene_Id", "Center", "NCBI_Build", "Chromosome", "Start_Position"),
    *("End_Position", "Strand", "Variant_Classification", "Variant_Type", "Reference_Allele"),
    *("Tumor_Seq_Allele1", "Tumor_Seq_Allele2", "Tumor_Sample_Barcode", "Mutation_Status"),
    *("Validation_Status", "FILTER"),
)
Truth = dict[tuple[str, str], float]
Line = dict[str, str]


class Drawn:
    """A file as it is drawn: its lines, and what they say of each sample's genes."""

    def __init__(self, rng: Generator, name: str) -> None:
        self.rng = rng
        self.lines: list[Line] = []
        self.short: set[int] = set()
        self.samples = [f"{name}-S{i}" for i in range(int(rng.integers(1, 4)))]
        self.truth: Truth = {(sample, gene): NOT_MUTATED for sample in self.samples for gene in NAMES}
        for sample in self.samples:
            for _ in range(int(rng.integers(1, 6))):
                self.add(sample)
        if rng.random() < 0.2:
            self.add_normal()
        if self.short:  # nobody can say whose line that is
            self.truth = {key: state if state == MUTATED else OPEN for key, state in self.truth.items()}

    def add(self, sample: str) -> None:
        """One line of the sample, and what follows of it."""
        rng = self.rng
        line, genes, doubtful, any_gene = self.named(rng)
        word = str(one(rng, *YES)) if rng.random() < 0.6 else str(one(rng, *YES, *NO, *UNSURE))
        says = [AS_IT_IS]
        line |= self.place(rng) | {"Variant_Classification": word, "Tumor_Sample_Barcode": sample}
        for column, known in (
            ("Mutation_Status", STATUS),
            ("Validation_Status", VALIDATION),
            ("FILTER", FILTER),
        ):
            line[column] = str(one(rng, *known)) if rng.random() < 0.3 else next(iter(known))
            says.append(known[line[column]])
        drawn = list(ALLELES)[int(rng.integers(len(ALLELES)))] if rng.random() < 0.4 else ("C", "C", "T")
        says.append(ALLELES[drawn])
        line |= dict(zip(("Reference_Allele", "Tumor_Seq_Allele1", "Tumor_Seq_Allele2"), drawn, strict=True))
        damage = str(one(rng, *DAMAGE)) if rng.random() < 0.08 else ""
        if damage:
            self.damage(line, damage)
        self.lines.append(line)
        if damage == DAMAGE[-1]:
            return
        if any_gene and line["Mutation_Status"] == "Germline":  # which inherited one is open as well
            says.remove(NOTHING)
        if NOTHING in says or (word in NO and damage != "class"):
            return
        is_sure = word in YES and not damage and IN_DOUBT not in says
        for gene in genes:
            self.learn(sample, gene, MUTATED if is_sure else OPEN)
        for gene in NAMES if any_gene else doubtful:
            self.learn(sample, gene, OPEN)

    def learn(self, sample: str, gene: str, state: float) -> None:
        if gene in NAMES and self.truth[sample, gene] != MUTATED:
            self.truth[sample, gene] = state

    def named(self, rng: Generator) -> tuple[Line, list[str], list[str], bool]:
        """What names the gene; the genes that it means, those that it may mean, whether it may be any."""
        gene = str(one(rng, *NAMES))
        kind = rng.random()
        if kind < 0.08:
            return {"Hugo_Symbol": str(one(rng, *DAYS))}, [], ["SEPTIN9"], False
        if kind < 0.12:
            return {"Hugo_Symbol": str(one(rng, "NOSUCHGENE7", "gene X1Y"))}, [], [], True
        if kind < 0.16 and gene in ENTREZ:
            return {"Hugo_Symbol": "NOSUCHGENE7", "Entrez_Gene_Id": ENTREZ[gene]}, [gene], [], False
        if kind < 0.24:
            other = str(one(rng, *NAMES))
            words = f"{one(rng, *NAMES[gene])}{one(rng, ';', ',', '|', ' ', ', ')}{one(rng, *NAMES[other])}"
            return {"Hugo_Symbol": words}, [gene, other], [], False
        name = str(one(rng, *NAMES[gene]))
        return {"Hugo_Symbol": name, "Entrez_Gene_Id": ENTREZ.get(gene, "0")}, [gene], [], False

    def place(self, rng: Generator) -> Line:
        start = int(rng.integers(1, 10**8))
        chromosome = str(one(rng, "1", "chr2", "X", "CHR17", "MT", "chrM"))
        return {"Chromosome": chromosome, "Start_Position": str(start), "End_Position": str(start)}

    def damage(self, line: Line, kind: str) -> None:
        """Makes the line one that holds no variant: the gene may have one all the same."""
        if kind == "position":
            line["Start_Position"] = "here"
        elif kind == "position of a float":
            line["Start_Position"] = "1e+08"
        elif kind == "class":
            line["Variant_Classification"] = ""
        else:
            self.short.add(len(self.lines))

    def add_normal(self) -> None:
        gene = str(one(self.rng, *NAMES))
        line = {"Hugo_Symbol": gene, "Variant_Classification": "Missense_Mutation", **self.place(self.rng)}
        line |= {"Reference_Allele": "C", "Tumor_Seq_Allele1": "C", "Tumor_Seq_Allele2": "T"}
        self.lines.append({**line, "Tumor_Sample_Barcode": f"{one(self.rng, 'TCGA-AA-0001-11A', 'NORMAL')}"})

    def content(self) -> bytes:
        """The file: columns in any order and case, by tabs or commas, with any end of line."""
        rng = self.rng
        columns = [COLUMNS[i] for i in rng.permutation(len(COLUMNS))]
        if self.short:  # the last column is the one that a short line lacks
            columns = [*(name for name in columns if name != "Center"), "Center"]
        separator = "," if rng.random() < 0.15 else "\t"
        case = one(rng, str, str.lower, str.upper)
        rows = [[case(name) for name in columns]]  # type: ignore[operator]
        for number, line in enumerate(self.lines):
            row = [line.get(name, "") for name in columns]
            if separator == ",":
                row = [f'"{cell}"' if "," in cell else cell for cell in row]
            rows.append(row[:-1] if number in self.short else row)
        if rng.random() < 0.3:
            order = rng.permutation(len(self.lines)) + 1
            rows = [rows[0], *(rows[i] for i in order)]
        text = [separator.join(row) for row in rows]
        if rng.random() < 0.4:
            text.insert(0, "#version 2.4")
        if rng.random() < 0.1 and separator == "\t":
            text = [line + "\t" for line in text[:1]] + [line + "\t" for line in text[1:]]
        body = str(one(rng, "\n", "\n", "\r\n", "\r")).join(text) + str(one(rng, "\n", "\n", ""))
        return (b"\xef\xbb\xbf" if rng.random() < 0.1 else b"") + body.encode()


def states(engine: Engine, truth: Iterable[tuple[str, str]]) -> Truth:
    """What a study's variable says of each patient's gene."""
    patients, genes = ({pair[i] for pair in truth} for i in (0, 1))
    ids = {IDENTITY.person_id("", patient): patient for patient in patients}
    keys = np.array(sorted(ids), dtype=np.int64)
    index = np.full(len(keys), np.datetime64("2024-01-01"), dtype="datetime64[D]")
    found: Truth = {}
    with engine.connect() as connection:
        people = People(connection, Vocabulary(engine), keys, index)
        for gene in genes:
            answers = gene_states(people, gene).tolist()
            found |= {(ids[key], gene): state for key, state in zip(keys.tolist(), answers, strict=True)}
    return found


def disagreements(found: Truth, truth: Truth) -> dict[tuple[str, str], tuple[float, float]]:
    """(patient, gene) -> what was found and what is right, where these are not one."""
    return {
        key: (found[key], right)
        for key, right in truth.items()
        if found[key] != right and not (np.isnan(found[key]) and np.isnan(right))
    }


@DRAWS
def test_a_gene_is_mutated_not_mutated_or_open_as_the_lines_say(
    draws: range, sqlite_engine: Engine, tmp_path: Path
) -> None:
    truth: Truth = {}
    for draw in draws:
        drawn = Drawn(chance("maf", draw), f"P{draw}")
        truth |= drawn.truth
        content = drawn.content()
        name = f"{draw}.maf"
        if draw % 5 == 0:
            name, content = f"{name}.gz", gzip.compress(content, 1)
        (tmp_path / name).write_bytes(content)
    load(sqlite_engine, genomics.read(tmp_path, "exome"), "genomics", IDENTITY)
    assert disagreements(states(sqlite_engine, truth), truth) == {}
