"""What a laboratory states of a sample in one number: purity and ploidy, and a liquid biopsy's fractions."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from cdm.etl.genomics.sample_numbers import CTDNA, PLOIDY, PURITY
from cdm.etl.record import SourceRecord, Unreadable
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.columns import Cells, Spellings, Table
from site_node.sources.genomics.panel import SYMBOL, patient_of
from site_node.sources.genomics.samples import CUT_SHORT, Malformed, not_a_tumour
from site_node.sources.lines import CutShort

KIND = "SampleNumbers"
SAMPLES = ("sample", "sample_id", "tumor_sample_barcode", "array", "samplename")
PURITY_COLUMNS: Spellings = {
    "sample": SAMPLES,
    "purity": ("purity", "tumor_purity", "cellularity"),
    "ploidy": ("ploidy", "tumor_ploidy"),
    "patient": ("patient_id", "patient", "case_id"),
}
CTDNA_COLUMNS: Spellings = {
    "patient": ("patient", "patient_id", "case_id", *SAMPLES),
    "date": ("date", "collected", "collection_date", "sample_date", "blood_draw_date"),
    "gene": ("gene", "hugo_symbol", "symbol"),
    "vaf": ("vaf", "ctdna_vaf", "max_vaf", "mean_vaf", "af"),
    "percent": ("vaf_percent", "vaf (%)", "vaf%"),
}
MAX_LINES = 500_000
SAMPLE_TWICE = ("sample-twice", "the file has two purities of one sample, so neither is used: remove one")
IN_PERCENT = (
    "fraction-in-percent",
    "the column of fractions holds numbers above 1, so none of it is read; name it vaf_percent, or divide it",
)
LARGEST_SLIP = 2.0  # a purity above 1 is a mistake of its line, one above this is in percent, as are all
PURITY_IN_PERCENT = (
    IN_PERCENT[0],
    "the column of purities holds numbers above 2, so none of it is read: divide it by 100",
)
LARGEST_PLOIDY = 20.0

Numbers = dict[tuple[str, str], dict[str, float]]  # (sample or patient, day) -> name -> number


def is_purity(header: set[str]) -> bool:
    """Whether the columns are those of a table of purities."""
    return bool(header & set(SAMPLES)) and bool(header & set(PURITY_COLUMNS["purity"]))


def is_ctdna(header: set[str]) -> bool:
    """Whether the columns are those of a table of liquid biopsies."""
    fractions = {*CTDNA_COLUMNS["vaf"], *CTDNA_COLUMNS["percent"]}
    return all(header & set(names) for names in (CTDNA_COLUMNS["patient"], CTDNA_COLUMNS["date"], fractions))


def read_purity(path: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record per sample with its purity and, where the file has it, its ploidy."""
    numbers: Numbers = {}
    lines: dict[tuple[str, str], int] = {}
    twice: set[tuple[str, str]] = set()
    stated_of: dict[str, str] = {}  # sample -> patient, as the file has it
    are_fractions = True
    for number, line in _lines(path, name, PURITY_COLUMNS, ("sample", "purity")):
        try:
            if isinstance(line, Malformed):
                raise line
            key = line.sample("sample"), ""
            if refusal := not_a_tumour(key[0], asked.patients):
                raise Malformed(*refusal)
            are_fractions = are_fractions and line.number("purity") <= LARGEST_SLIP
            if line["patient"]:
                stated_of[key[0]] = line.sample("patient")
            stated = {PURITY: _within(line.number("purity"), 1.0, "purity")}
            if line["ploidy"]:
                stated[PLOIDY] = _within(line.number("ploidy"), LARGEST_PLOIDY, "ploidy")
            if numbers.get(key, stated) != stated:
                twice.add(key)
                raise Malformed(*SAMPLE_TWICE)
            numbers[key], lines[key] = stated, number
        except Malformed as fault:
            yield _reported(name, number, fault)
    if not are_fractions:
        yield _reported(name, 0, Malformed(*PURITY_IN_PERCENT))
        return
    for sample, found in ((key[0], found) for key, found in numbers.items() if key not in twice):
        patient = asked.patients.get(sample) or stated_of.get(sample) or patient_of(sample)
        yield _record(name, lines[sample, ""], patient, sample, "", found)


def read_ctdna(path: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record per blood sample: the largest fraction of all its variants, and of each gene."""
    numbers: Numbers = defaultdict(dict)
    lines: dict[tuple[str, str], int] = {}
    in_percent: set[tuple[str, str]] = set()  # blood samples with a number of the column of fractions
    are_fractions = True
    for number, line in _lines(path, name, CTDNA_COLUMNS, ("patient", "date")):
        try:
            if isinstance(line, Malformed):
                raise line
            key = line.sample("patient"), _day(line["date"])
            vaf = line.number("vaf") if line["vaf"] else line.number("percent") / 100.0
            if line["vaf"]:
                in_percent.add(key)
                are_fractions = are_fractions and vaf <= 1
            gene = line["gene"].upper()
            names = [CTDNA, f"{CTDNA}:{gene}"[:50]] if SYMBOL.fullmatch(gene) else [CTDNA]
            vaf = _within(vaf, 1.0, "vaf", least=0.0)
            for one in names:
                numbers[key][one] = max(numbers[key].get(one, 0.0), vaf)
            lines.setdefault(key, number)
        except Malformed as fault:
            yield _reported(name, number, fault)
    if not are_fractions:
        yield _reported(name, 0, Malformed(*IN_PERCENT))
    for (stated, day), found in numbers.items():
        if not are_fractions and (stated, day) in in_percent:
            continue
        patient = asked.patients.get(stated) or patient_of(stated)
        yield _record(name, lines[stated, day], patient, f"blood of {day}", day, found)


def _lines(
    path: Path, name: str, spellings: Spellings, required: tuple[str, ...]
) -> Iterator[tuple[int, Cells | Malformed]]:
    """(line number, the line or why it cannot be read), 0 for the file."""
    try:
        yield from Table(path, Cells, spellings, required, MAX_LINES).lines()
    except Malformed as fault:
        yield 0, fault
    except CutShort:
        yield 0, Malformed(*CUT_SHORT)


def _reported(name: str, number: int, fault: Malformed) -> Unreadable:
    return Unreadable(KIND, f"{name}:{number}" if number else name, fault.code, fault.reason)


def _within(value: float, most: float, column: str, least: float = 1e-9) -> float:
    if not least <= value <= most:
        raise Malformed("malformed-number", f"column {column} holds a number that it cannot have")
    return value


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise Malformed("malformed-date", "column date holds no date written as 2026-11-20") from None


def _record(
    name: str, line: int, patient: str, sample: str, day: str, numbers: dict[str, float]
) -> SourceRecord:
    body = {"patient": patient, "sample": sample, "date": day, "numbers": numbers}
    return SourceRecord(KIND, f"{name}#{patient}#{sample}"[-255:], f"{name}:{line}", body)
