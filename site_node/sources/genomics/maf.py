"""MAF, the Mutation Annotation Format of the GDC: one line per variant of one tumour sample.

A line whose status says that there is no mutation (None, Wildtype, LOH, Invalid) or whose alleles are the
reference is not a variant, and a normal sample is not a tumour: they are reported, the sample is tested.
A status that the format does not have leaves the gene open. So does a line that cannot be read; where its
sample cannot be read either, no test of the file states a negative result.
"""

from collections.abc import Iterator
from pathlib import Path

from cdm.etl.record import SourceRecord, Unreadable
from cdm.vocabulary.consequences import OPEN
from site_node.features.genomics.mutation import SYNONYMOUS
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.builds import MIXED_BUILDS
from site_node.sources.genomics.classes import classification_word
from site_node.sources.genomics.columns import Cells, Table
from site_node.sources.genomics.naming import Gene, genes_of
from site_node.sources.genomics.panel import is_normal
from site_node.sources.genomics.samples import (
    CUT_SHORT,
    NORMAL_SAMPLE,
    Fraction,
    Malformed,
    Samples,
    Variant,
    allele,
    chromosome_name,
    position_number,
)
from site_node.sources.lines import CutShort
from site_node.sources.numbers import number_of

KIND = "MAF"

# our name -> the spellings that files use, lower case; the first one that a file has counts
COLUMNS = {
    "symbol": ("hugo_symbol",),
    "entrez_id": ("entrez_gene_id",),
    "hgnc_id": ("hgnc_id",),
    "chromosome": ("chromosome",),
    "start": ("start_position",),
    "classification": ("variant_classification",),
    "barcode": ("tumor_sample_barcode",),
    "build": ("ncbi_build",),
    "end": ("end_position",),
    "type": ("variant_type",),
    "reference": ("reference_allele",),
    "allele1": ("tumor_seq_allele1",),
    "allele2": ("tumor_seq_allele2",),
    "normal1": ("match_norm_seq_allele1",),
    "normal2": ("match_norm_seq_allele2",),
    "validation": ("validation_status",),
    "rs_id": ("dbsnp_rs",),
    "status": ("mutation_status",),
    "hgvs_c": ("hgvsc", "cdna_change"),
    "hgvs_p": ("hgvsp_short", "protein_change", "hgvsp", "amino_acid_change", "aachange"),
    "transcript": ("transcript_id", "i_transcript_name", "annotation_transcript"),
    "filter": ("filter",),
    "alt_count": ("t_alt_count",),
    "ref_count": ("t_ref_count",),
    "fraction": ("tumor_f", "t_vaf", "i_tumor_f", "vaf"),
    "percent": ("i_tumorvaf_wu", "tumorvaf_wu"),
}
REQUIRED = ("symbol", "chromosome", "start", "classification", "barcode")
NO_ALLELE = ("", ".", "NA", "N/A")

# Mutation_Status and Validation_Status of the GDC's MAF, TCGA's MAF 2.4 and cBioPortal, lower case
NOT_STATED = ("", ".", "-", "na", "n/a", "unknown", "untested", "inconclusive")
MUTATED = ("somatic", "germline", "valid", "validated", "de novo", "acquired", "inherited")
ORIGINS = {"somatic": "somatic", "acquired": "somatic", "germline": "germline", "inherited": "germline"}
NOT_MUTATED = (
    *("none", "wildtype", "wild type", "wild-type", "wt", "loh", "post-transcriptional modification"),
    *("invalid", "redacted", "reference", "ref", "not mutated", "negative", "artifact", "artefact"),
)
NO_MUTATION = ("no-mutation", "the line's status says that there is no mutation: its sample counts as tested")
UNKNOWN_STATUS = (
    "unknown-status",
    "the line's status is not one of MAF's, so its gene is left open; write Somatic, Germline or None",
)
NO_CHANGE = ("no-alternate-allele", "all tumour alleles are the reference: its sample counts as tested")
IN_PERCENT = (
    "fraction-in-percent",
    "the column of allele fractions holds numbers above 1, so none of it is read; divide it, or write %",
)
NO_FRACTION = (
    "malformed-fraction",
    "the reads or the allele fraction hold no number, so the variant has none: write 1003 and 0.3, no comma",
)
NO_VARIANT = (NO_MUTATION[0], NO_CHANGE[0], NORMAL_SAMPLE[0])  # of lines that were read


def read(path: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record per sample of the file, which is called `name`; a report of every line without a variant."""
    samples = Samples(KIND, name, asked)
    builds: set[str] = set()
    negatives = True
    try:
        for number, line in Table(path, _Line, COLUMNS, REQUIRED).lines():
            try:
                if isinstance(line, Malformed):
                    raise line
                builds |= line.builds()
                samples.are_fractions = samples.are_fractions and not line.is_beyond_one()
                for doubt in _add(samples, number, line, asked):
                    yield samples.unreadable(number, *doubt)
            except Malformed as fault:
                negatives = negatives and fault.code in NO_VARIANT
                yield samples.unreadable(number, fault.code, fault.reason)
    except Malformed as fault:
        yield samples.unreadable(0, fault.code, fault.reason)
        return
    except CutShort:
        yield samples.unreadable(0, *CUT_SHORT)
        negatives = False
    if len(builds) > 1:
        yield samples.unreadable(0, *MIXED_BUILDS)
        return
    if not samples.are_fractions:
        yield samples.unreadable(0, *IN_PERCENT)
    yield from samples.records(next(iter(builds), None), negatives=negatives)


def _add(samples: Samples, number: int, line: "_Line", asked: Asked) -> list[tuple[str, str]]:
    """Note the line's variant, once for each gene that it names; what of it is in doubt.

    A line that cannot be read may hold a variant of its gene all the same.

    Raises:
        Malformed: the line holds no variant, or its sample cannot be read.
    """
    barcode = line.barcode()
    samples.expect(barcode, number)
    line.check()
    damage = None
    try:
        variant = {"genetic_origin": asked.origin, **line.variant()}
    except Malformed as fault:
        damage = fault.code, fault.reason
        variant = line.unread()
    doubts = [samples.add_in(barcode, number, variant, gene) for gene in line.genes(asked)]
    status = None if line.has_known_status() else UNKNOWN_STATUS
    fraction = NO_FRACTION if line.has_unread_fraction() else None
    return [doubt for doubt in dict.fromkeys((damage, status, fraction, *doubts)) if doubt]


class _Line(Cells):
    """One line of the file."""

    def barcode(self) -> str:
        """The tumour sample.

        Raises:
            Malformed: it is empty, too long, or the normal one.
        """
        barcode = self.sample("barcode")
        if is_normal(barcode):
            raise Malformed(*NORMAL_SAMPLE)
        return barcode

    def genes(self, asked: Asked) -> list[Gene]:
        return genes_of(self["symbol"], asked, self["hgnc_id"] or self["entrez_id"])

    def check(self) -> None:
        """Raises unless the line states a mutation.

        Raises:
            Malformed: by its status or its alleles there is none.
        """
        if any(status in NOT_MUTATED for status in self._statuses()):
            raise Malformed(*NO_MUTATION)
        alleles = [self._allele("allele1"), self._allele("allele2")]
        if self._allele("reference") and all(one == self._allele("reference") for one in alleles):
            raise Malformed(*NO_CHANGE)

    def has_known_status(self) -> bool:
        """Whether every status that the line has is one of the format's."""
        return all(status in (*NOT_STATED, *MUTATED) for status in self._statuses())

    def _statuses(self) -> tuple[str, str]:
        return self["status"].lower(), self["validation"].lower()

    def _allele(self, column: str) -> str:
        """An allele in upper case; empty where none is stated."""
        text = self[column].upper()
        return "" if text in NO_ALLELE else text

    def _alternate(self) -> str:
        """The allele that is not the reference, the second first; empty where the line has none."""
        alleles = (self._allele("allele2"), self._allele("allele1"))
        return next((one for one in alleles if one and one != self._allele("reference")), "")

    def _origin(self, alternate: str) -> str | None:
        """What the status says, else `germline` where the matched normal sample has the allele; or None."""
        status, validation = self._statuses()
        stated = ORIGINS.get(status) or ORIGINS.get(validation)
        if stated or not alternate:
            return stated
        return "germline" if alternate in (self._allele("normal1"), self._allele("normal2")) else None

    def variant(self) -> Variant:
        start = position_number(self["start"], "start_position")
        if not 0 < len(self["classification"]) <= 50:
            raise Malformed("no-classification", "column variant_classification is empty or too long")
        reference, alternate = self._allele("reference"), self._alternate()
        origin = self._origin(alternate)
        depth, alternate_depth = self._depths()
        return {
            "chromosome": chromosome_name(self["chromosome"], "chromosome"),
            "position": start,
            "end_position": position_number(self["end"], "end_position") if self["end"] else start,
            "variant_classification": self._classification(
                len(alternate.strip("-")) > len(reference.strip("-"))
            ),
            "reference_allele": allele(reference, "reference_allele") if reference else None,
            "alternate_allele": allele(alternate, "tumor_seq_allele2") if alternate else None,
            "sequence_alteration": self["type"] or None,
            "vaf": self._vaf(depth, alternate_depth),
            "total_read_depth": depth,
            "variant_read_depth": alternate_depth,
            "hgvs_c": self["hgvs_c"] or None,
            "hgvs_p": self["hgvs_p"] or None,
            "reference_sequence": self["transcript"][:50] or None,
            "rs_id": self["rs_id"] if self["rs_id"].startswith("rs") and len(self["rs_id"]) <= 50 else None,
            "filter": self["filter"] or None,
            **({"genetic_origin": origin} if origin else {}),
        }

    def _classification(self, inserts: bool) -> str:
        """The class as MAF writes it; OPEN where a status that is not known may deny the change."""
        word = classification_word(self["classification"], inserts=inserts)
        return word if word in SYNONYMOUS or self.has_known_status() else OPEN

    def unread(self) -> Variant:
        """What a line that cannot be read says of its gene: that it is not changed, or OPEN."""
        word = classification_word(self["classification"])
        return {
            "variant_classification": word if word in SYNONYMOUS else OPEN,
            "filter": self["filter"] or None,
            "genetic_origin": self._origin(""),
        }

    def _depths(self) -> tuple[int | None, int | None]:
        """(reads, reads with the alternate allele); both or none."""
        reference, alternate = self.count("ref_count"), self.count("alt_count")
        if reference is None or alternate is None:
            return None, None
        return reference + alternate, alternate

    def _vaf(self, depth: int | None, alternate_depth: int | None) -> float | None:
        if depth and alternate_depth is not None:
            return alternate_depth / depth
        for column, scale in (("fraction", 1.0), ("percent", 100.0)):
            text = self[column]
            is_percent = text.endswith("%")
            number = number_of(text.removesuffix("%"))
            vaf = None if number is None else number / (100.0 if is_percent else scale)
            if vaf is not None and 0 <= vaf <= 1:
                return Fraction(vaf) if column == "fraction" and not is_percent else vaf
        return None

    def has_unread_fraction(self) -> bool:
        """Whether a cell of reads or fractions holds something other than a number."""
        cells = (self[name] for name in ("ref_count", "alt_count", "fraction", "percent"))
        return any(
            cell.lower() not in NOT_STATED and number_of(cell.removesuffix("%")) is None for cell in cells
        )

    def is_beyond_one(self) -> bool:
        """Whether the column of fractions holds more than one, so that it is in percent in every line."""
        number = number_of(self["fraction"])
        return number is not None and number > 1
