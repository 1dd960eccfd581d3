"""MAF, the Mutation Annotation Format of the GDC: one line a variant of one tumour sample."""

from collections.abc import Iterator
from pathlib import Path

from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.builds import MIXED_BUILDS
from site_node.sources.genomics.columns import Cells, Table
from site_node.sources.genomics.samples import (
    CUT_SHORT,
    Malformed,
    Samples,
    Variant,
    allele,
    chromosome_name,
    position_number,
)
from site_node.sources.lines import CutShort

KIND = "MAF"

# our name -> the spellings that files use, lower case; the first one that a file has counts
COLUMNS = {
    "symbol": ("hugo_symbol",),
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
NO_GENE = ("", ".", "Unknown")


def read(path: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record a sample of the file, which is called `name`; a report of every line without a variant."""
    samples = Samples(KIND, name, asked)
    builds: set[str] = set()
    negatives = True
    try:
        for number, line in Table(path, _Line, COLUMNS, REQUIRED).lines():
            try:
                if isinstance(line, Malformed):
                    raise line
                builds |= line.builds()
                samples.add(line.barcode(), number, {"genetic_origin": asked.origin, **line.variant()})
            except Malformed as fault:
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
    yield from samples.records(next(iter(builds), None), negatives=negatives)


class _Line(Cells):
    """One line of the file."""

    def barcode(self) -> str:
        return self.sample("barcode")

    def variant(self) -> Variant:
        start = position_number(self["start"], "start_position")
        if not 0 < len(self["classification"]) <= 50:
            raise Malformed("no-classification", "column variant_classification is empty or too long")
        reference = self["reference"]
        alternate = self["allele2"] if self["allele2"] != reference else self["allele1"]
        depth, alternate_depth = self._depths()
        return {
            "target_gene1_symbol": None if self["symbol"] in NO_GENE else self["symbol"][:50],
            "chromosome": chromosome_name(self["chromosome"], "chromosome"),
            "position": start,
            "end_position": position_number(self["end"], "end_position") if self["end"] else start,
            "variant_classification": self["classification"],
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
            **({"genetic_origin": self["status"].lower()} if self["status"] else {}),
        }

    def _depths(self) -> tuple[int | None, int | None]:
        """(reads, reads with the alternate allele); both or none."""
        counts = [self["ref_count"], self["alt_count"]]
        if not all(count.isascii() and count.isdigit() and len(count) < 10 for count in counts):
            return None, None
        return int(counts[0]) + int(counts[1]), int(counts[1])

    def _vaf(self, depth: int | None, alternate_depth: int | None) -> float | None:
        if depth and alternate_depth is not None:
            return alternate_depth / depth
        for column, scale in (("fraction", 1.0), ("percent", 100.0)):
            try:
                vaf = float(self[column]) / scale
            except ValueError:
                continue
            if 0 <= vaf <= 1:
                return vaf
        return None
