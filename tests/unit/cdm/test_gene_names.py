"""Which gene a name means. Symbols as HGNC's search at genenames.org gives them (October 2024)."""

import pytest

from cdm.vocabulary.genes import gene_names


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("IDH1", "IDH1"),
        ("idh1", "IDH1"),
        ("MLL2", "KMT2D"),  # its earlier symbol, though KMT2B has it as an alias
        ("HER2", "ERBB2"),
        ("HLA.A", "HLA-A"),  # as R's make.names writes it
        ("AK3", "AK3"),  # approved, though AK4 was once called so
        ("QARS", None),  # EPRS1 and QARS1
        ("P16", None),
        ("FOO1", None),
    ],
)
def test_a_name_means_one_gene_or_none(name: str, symbol: str | None) -> None:
    assert gene_names().symbol(name) == symbol


@pytest.mark.parametrize("number", ["HGNC:5382", "3417"])
def test_a_number_means_its_gene(number: str) -> None:
    assert gene_names().symbol_of_id(number) == "IDH1"


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        *((cell, "1-Mar") for cell in ("1-Mar", "01-Mar", "Mar-01", "2024-03-01", "43891", "01.03.2024")),
        *((cell, "9-Sep") for cell in ("9-Sep", "Sep-09", "9/9/2020", "2020-09-09 00:00:00")),
        *((cell, "1-Dec") for cell in ("1-Dec", "01. Dez")),
        ("4/10/2020", "4-Oct"),  # OCT4; there is no gene APR10
        ("2.31E+13", ""),
        ("MARCH1", None),
        ("DEC1", None),
        ("NKX2-1", None),
    ],
)
def test_a_spreadsheets_date_is_told_from_a_name(cell: str, day: str | None) -> None:
    assert gene_names().date(cell) == day


def test_every_day_that_a_gene_becomes_is_doubtful_of_it() -> None:
    assert "9-SEP" in gene_names().names("SEPT9").doubtful
    assert {"1-MAR"} <= gene_names().names("MTARC1").doubtful & gene_names().names("MARCHF1").doubtful


def test_names_of_several_genes_are_certain_of_none() -> None:
    of_epilepsy, of_kinase = gene_names().names("QARS1"), gene_names().names("EPRS1")
    assert "QARS" in of_epilepsy.doubtful & of_kinase.doubtful
    assert "QARS" not in of_epilepsy.certain | of_kinase.certain


@pytest.mark.parametrize(
    ("name", "known"), [("RP11-34P13.7", True), ("LOC100130417", True), ("PRAMEF16", True), ("IDH-1", False)]
)
def test_a_locus_without_a_symbol_is_told_from_a_word_that_nobody_knows(name: str, known: bool) -> None:
    assert gene_names().is_known(name) is known
