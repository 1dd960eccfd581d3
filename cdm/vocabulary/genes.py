"""Which gene a name means: HGNC's symbols, earlier symbols, aliases, and the dates spreadsheets make of them.

A name is compared in upper case and means, in this order: the gene whose approved symbol it is; the one
gene whose earlier symbol it was; the one gene that has it as an alias. A name of several genes (QARS was both
EPRS1 and QARS1) means none of them for certain, but may mean each: such a gene is then not "not mutated".

`hgnc.tsv.xz` holds the columns hgnc_id, symbol, prev_symbol, alias_symbol and entrez_id of HGNC's complete
set (entrez_id of genes that code for proteins or share a name), and the symbols of withdrawn entries behind
`~`. HGNC gives its data into the public domain (CC0).
"""

import lzma
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("hgnc.tsv.xz")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# what a spreadsheet turns into a day of the month, before the number: MARCH1, MARC1, SEPT9, OCT4
MONTH_WORDS = tuple(
    {word[:3], word[:4], word}
    for word in (
        *("JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY", "AUGUST", "SEPTEMBER", "OCTOBER"),
        *("NOVEMBER", "DECEMBER"),
    )
)
ABBREVIATED = {name.upper(): month for month, name in enumerate(MONTHS, start=1)}
ABBREVIATED |= {"MRZ": 3, "MÄR": 3, "MAI": 5, "OKT": 10, "DEZ": 12}  # of a German spreadsheet
_MONTH = "|".join(ABBREVIATED)
_YEAR_AND_TIME = r"(?:[-/., ]+(?:\d{4}|\d{2}))?(?: 00:00(?::00)?)?"
DAY_MONTH = re.compile(rf"0?(\d{{1,2}})[-/. ]+({_MONTH})\w*\.?{_YEAR_AND_TIME}", re.IGNORECASE)
MONTH_DAY = re.compile(rf"({_MONTH})[^\W\d]*\.?[-/. ]+(?:20|19)?0?(\d{{1,2}})", re.IGNORECASE)
ISO = re.compile(r"\d{4}-(\d{2})-(\d{2})(?:[T ]00:00(?::00)?)?")
NUMBERS = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](?:\d{4}|\d{2})")
SERIAL = re.compile(r"[34]\d{4}")  # days since 1900, as a spreadsheet stores a day of 1982 to 2036
DAY_0 = date(1899, 12, 30)
FLOATING = re.compile(r"\d+(?:[.,]\d+)?E[+-]?\d+", re.IGNORECASE)
# Names of loci without an HGNC symbol: clones (RP11-34P13.7, AC093323.3), predicted genes, small RNAs.
NOT_NAMED = re.compile(
    r"(?:RP\d+|CT[ABCD]|XX[a-z]*|LL\w+|GS\d|KB)-\S+|[A-Z]{1,2}\d{5,6}\.\d+|LOC\d+|FLJ\d+|DKFZ\S+|KIAA\d+|MGC\d+|"
    r"hsa-\S+|Y_RNA|U\d+|7SK|snoU\d+|Metazoa_SRP",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Names:
    """The names under which sources write one gene, in upper case.

    Attributes:
        symbol: the approved symbol; the name itself where HGNC does not know it.
        is_known: whether HGNC knows the name.
        certain: names that mean this gene and no other.
        doubtful: names that may mean it: of several genes, or a date.
    """

    symbol: str
    is_known: bool
    certain: frozenset[str]
    doubtful: frozenset[str] = frozenset()


class GeneNames:
    """HGNC's table, by name."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._approved: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._numbers: dict[str, str] = {}
        self._withdrawn: set[str] = set()
        self._earlier: defaultdict[str, set[str]] = defaultdict(set)
        self._aliases: defaultdict[str, set[str]] = defaultdict(set)
        self._of: defaultdict[str, set[str]] = defaultdict(set)  # symbol -> all names that it has or had
        for line in lines:
            number, symbol, earlier, aliases, entrez = line.split("\t")
            if symbol.startswith("~"):
                self._withdrawn.add(symbol[1:].upper())
                continue
            self._approved[symbol.upper()] = symbol
            self._ids[f"HGNC:{number}"] = symbol
            self._ids[entrez] = symbol
            self._numbers[symbol] = f"HGNC:{number}"
            for names, known in ((earlier, self._earlier), (aliases, self._aliases)):
                for name in filter(None, names.upper().split("|")):
                    known[name].add(symbol)
                    self._of[symbol].add(name)

    def symbols(self) -> tuple[str, ...]:
        """All approved symbols, sorted."""
        return tuple(sorted(self._approved.values()))

    def symbol(self, name: str) -> str | None:
        """The approved symbol of the one gene that the name means; None for an unknown or ambiguous name."""
        key = name.strip().upper()
        approved = self._approved.get(key)
        if approved:
            return approved
        genes = self._earlier.get(key) or self._aliases.get(key) or set()
        if len(genes) == 1:
            return next(iter(genes))
        if not genes and "." in key:  # R writes HLA-A as HLA.A
            return self.symbol(key.replace(".", "-"))
        return None

    def symbol_of_id(self, identifier: str) -> str | None:
        """The approved symbol of HGNC's number, `HGNC:5382`, or of NCBI's, `3417`; or None."""
        return self._ids.get(identifier.strip().upper()) if identifier else None

    def hgnc_id(self, symbol: str) -> str | None:
        """HGNC's number of an approved symbol, `HGNC:5382`; or None."""
        return self._numbers.get(symbol)

    def candidates(self, name: str) -> frozenset[str]:
        """The symbols of all genes that the name may mean."""
        key = name.strip().upper()
        if key in self._approved:
            return frozenset({self._approved[key]})
        return frozenset({*self._earlier.get(key, ()), *self._aliases.get(key, ())})

    def is_known(self, name: str) -> bool:
        """Whether HGNC knows the name, for however many genes, or the locus has no HGNC symbol at all."""
        key = name.strip().upper()
        known = self.symbol(name) or self.candidates(name) or key in self._withdrawn
        return bool(known or NOT_NAMED.fullmatch(name.strip()))

    def names(self, name: str) -> Names:
        """All names of the gene that this one means."""
        symbol = self.symbol(name)
        if symbol is None:
            return Names(name, bool(self.candidates(name)), frozenset({name.strip().upper()}))
        written = {symbol.upper(), *self._of[symbol]}
        certain = {one for one in written if self.symbol(one) == symbol}
        certain |= {
            one.replace("-", ".") for one in certain if "-" in one and self.symbol(one.replace("-", "."))
        }
        shared = {one for one in written if one not in certain and one not in self._approved}
        return Names(symbol, True, frozenset(certain), frozenset({*shared, *_dates_of(certain | shared)}))

    def date(self, name: str) -> str | None:
        """The day that a spreadsheet made of a gene's name, as `1-Mar`; None for a name.

        It is empty where the day may be read in two ways, or a number stands there.
        """
        if self.symbol(name) or self.candidates(name):
            return None
        days = {(number, month) for number, month in _days(name.strip()) if 1 <= month <= 12}
        if not days:
            return "" if FLOATING.fullmatch(name.strip()) else None
        meant = sorted(day for day in days if any(self.candidates(one) for one in _words(*day)))
        return _written(*meant[0]) if len(meant) == 1 else ""


def _days(text: str) -> Iterator[tuple[int, int]]:
    """(number, month) of each way to read the text as a day."""
    if found := DAY_MONTH.fullmatch(text):
        yield int(found.group(1)), _month(found.group(2))
    elif found := MONTH_DAY.fullmatch(text):
        yield int(found.group(2)), _month(found.group(1))
    elif found := ISO.fullmatch(text):
        yield int(found.group(2)), int(found.group(1))
    elif found := NUMBERS.fullmatch(text):
        first, second = int(found.group(1)), int(found.group(2))
        yield from {(first, second), (second, first)}
    elif SERIAL.fullmatch(text):
        day = DAY_0 + timedelta(int(text))
        yield day.day, day.month


def _month(abbreviation: str) -> int:
    return ABBREVIATED[abbreviation.upper()]


def _words(number: int, month: int) -> Iterator[str]:
    """The names that a spreadsheet turns into this day."""
    yield from (f"{word}{number}" for word in sorted(MONTH_WORDS[month - 1]))


def _dates_of(names: set[str]) -> Iterator[str]:
    """The days, in upper case, that a spreadsheet makes of these names."""
    for name in names:
        for month, words in enumerate(MONTH_WORDS, start=1):
            for word in words:
                number = name[len(word) :] if name.startswith(word) else ""
                if number.isdecimal() and 1 <= int(number) <= 31:
                    yield _written(int(number), month).upper()


def _written(number: int, month: int) -> str:
    return f"{number}-{MONTHS[month - 1]}"


@lru_cache(maxsize=1)
def gene_names() -> GeneNames:
    """HGNC's names, read once."""
    with lzma.open(TABLE, "rt", encoding="utf-8") as file:
        lines = (line.rstrip("\n") for line in file if not line.startswith(("#", "hgnc_id")))
        return GeneNames(lines)
