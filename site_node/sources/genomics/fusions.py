"""Gene fusions as STAR-Fusion, Arriba and cBioPortal write them: one line per fusion of one sample."""

from collections.abc import Iterator
from pathlib import Path

from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.builds import MIXED_BUILDS
from site_node.sources.genomics.columns import Cells, Table
from site_node.sources.genomics.naming import symbol_of
from site_node.sources.genomics.panel import SYMBOL, is_normal
from site_node.sources.genomics.samples import (
    CUT_SHORT,
    NORMAL_SAMPLE,
    Malformed,
    Samples,
    Variant,
    chromosome_name,
    position_number,
    sample_of_file,
)
from site_node.sources.lines import CutShort

KIND = "Fusions"
ASSAY = "fusions"
FUSION = "Fusion"
COLUMNS = {
    "gene1": ("leftgene", "gene1", "site1_hugo_symbol"),
    "gene2": ("rightgene", "gene2", "site2_hugo_symbol"),
    "place1": ("leftbreakpoint", "breakpoint1"),
    "place2": ("rightbreakpoint", "breakpoint2"),
    "chromosome1": ("site1_chromosome",),
    "chromosome2": ("site2_chromosome",),
    "position1": ("site1_position",),
    "position2": ("site2_position",),
    "sample": ("sample_id", "sample", "tumor_sample_barcode"),
    "split": ("junctionreadcount", "split_reads1", "tumor_split_read_count"),
    "split2": ("split_reads2",),
    "spanning": ("spanningfragcount", "discordant_mates", "tumor_paired_end_read_count"),
    "type": ("type", "class", "event_info"),
    "frame": ("prot_fusion_type", "reading_frame", "site2_effect_on_frame"),
    "confidence": ("confidence",),
    "build": ("ncbi_build",),
}
REQUIRED = ("gene1", "gene2")


def read(path: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record per sample of the file, and a report of every line without a fusion."""
    samples, table = Samples(KIND, name, asked, ASSAY), Table(path, _Line, COLUMNS, REQUIRED)
    builds: set[str] = set()
    whole = True
    try:
        for number, line in table.lines():
            try:
                if isinstance(line, Malformed):
                    raise line
                sample = line.sample("sample") if "sample" in table.columns else sample_of_file(name)
                if is_normal(sample):
                    raise Malformed(*NORMAL_SAMPLE)
                builds |= line.builds()
                samples.add(sample, number, line.fusion())
            except Malformed as fault:
                yield samples.unreadable(number, fault.code, fault.reason)
        if table.columns and "sample" not in table.columns:
            samples.expect(sample_of_file(name), table.header_line)
    except Malformed as fault:
        yield samples.unreadable(0, fault.code, fault.reason)
        return
    except CutShort:
        yield samples.unreadable(0, *CUT_SHORT)
        whole = False
    if len(builds) > 1:
        yield samples.unreadable(0, *MIXED_BUILDS)
        return
    yield from samples.records(next(iter(builds), None), negatives=whole)


class _Line(Cells):
    def fusion(self) -> Variant:
        """The fusion of this line.

        Raises:
            Malformed: neither partner is a gene, or a break has no position.
        """
        genes = self._gene("gene1"), self._gene("gene2")
        if not any(genes):
            raise Malformed("no-gene", "neither partner of the fusion is a gene")
        (chromosome, position), other = self._place("1"), self._place("2")
        counts = [self.count(name) for name in ("split", "split2", "spanning")]
        known = [count for count in counts if count is not None]
        return {
            "target_gene1_symbol": genes[0],
            "target_gene2_symbol": genes[1],
            "chromosome": chromosome,
            "position": position,
            "fusion_breakpoint": f"{chromosome}:{position}|{other[0]}:{other[1]}",
            "fusion_supporting_reads": sum(known) if known else None,
            "variant_classification": FUSION,
            "sequence_alteration": self["type"][:200] or None,
            "variant_feature": self["frame"][:200] or None,
            "filter": "low confidence" if self["confidence"].lower() == "low" else None,
        }

    def _gene(self, column: str) -> str | None:
        """The symbol, without STAR-Fusion's identifier and Arriba's distance to a break between genes."""
        symbol = self[column].split("^")[0].split(",")[0].split("(")[0]
        return symbol_of(symbol) if SYMBOL.fullmatch(symbol) else None

    def _place(self, side: str) -> tuple[str, int]:
        chromosome, position = self[f"chromosome{side}"], self[f"position{side}"]
        if not chromosome:
            chromosome, _, rest = self[f"place{side}"].partition(":")
            position = rest.split(":")[0]
        name = f"breakpoint{side}"
        return chromosome_name(chromosome, name), position_number(position, name)
