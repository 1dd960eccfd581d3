"""Scores fitted elsewhere: read from a catalogue's file, formed at the site as plink2 --score forms them."""

import gzip
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sqlalchemy import Engine

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.errors import InputError
from protocols.core.variables.genomic import PolygenicScore
from protocols.core.variables.scoring_file import read_weights, with_weights
from site_node.sources import genomics
from site_node.study_table.people import People
from tests.lib.columns_read import columns_read
from tests.lib.plink_files import needs_plink2, plink2, write_pgen

IDENTITY = Identity(b"k" * 32)
COMPLEMENT = str.maketrans("ACGT", "TGCA")
PEOPLE, VARIANTS = 160, 240

SCORING_FILE = """\
###PGS CATALOG SCORING FILE - see https://www.pgscatalog.org/downloads/
#format_version=2.0
#pgs_id=PGS000000
#genome_build=GRCh37
#HmPOS_build=GRCh38
rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\tallelefrequency_effect\thm_chr\thm_pos
rs1\t1\t90\tG\tA\t0.5\t0.3\t1\t100
rs2\t2\t91\tC\tCT\t-0.25\t\t2\t200
"""


@dataclass(frozen=True)
class Hospital:
    """The truth on the forward strand: variants, (n, v) copies of ALT, and what a score adds for each."""

    variants: tuple[str, ...]
    copies: np.ndarray
    weights: np.ndarray
    frequency: np.ndarray

    def variable(self, *, knows: bool = True, **changes: Any) -> dict[str, Any]:
        """The score as a study has it; `knows`: whether it states frequencies."""
        shares = self.frequency.tolist() if knows else [None] * len(self.variants)
        weights = list(map(list, zip(self.variants, self.weights.tolist(), shares, strict=True)))
        return {"kind": "polygenic_score", "build": "GRCh38", "weights": weights, **changes}


@pytest.fixture(scope="module")
def hospital() -> Hospital:
    rng = np.random.default_rng(11)
    pairs = [("A", "G"), ("C", "T"), ("G", "T"), ("AC", "A")]
    chosen = rng.integers(len(pairs), size=VARIANTS)
    variants = tuple(
        f"{1 + j // 12}:{50_000 * (1 + j % 12)}:{pairs[c][0]}:{pairs[c][1]}" for j, c in enumerate(chosen)
    )
    frequency = rng.uniform(0.1, 0.9, VARIANTS).round(4)
    copies = rng.binomial(2, frequency, (PEOPLE, VARIANTS)).astype(float)
    copies[rng.random(copies.shape) < 0.01] = np.nan
    return Hospital(variants, copies, rng.normal(0, 0.2, VARIANTS).round(4), frequency)


def _written(folder: Path, truth: Hospital, variants: np.ndarray) -> Path:
    """A hospital's fileset of some variants: each third with REF and ALT swapped, each fifth flipped."""
    names, copies = [], truth.copies[:, variants].copy()
    for place, j in enumerate(variants):
        chromosome, position, ref, alt = truth.variants[j].split(":")
        if place % 3 == 0:
            ref, alt = alt, ref
            copies[:, place] = 2 - copies[:, place]
        if place % 5 == 0 and len(ref) == len(alt):
            ref, alt = ref.translate(COMPLEMENT), alt.translate(COMPLEMENT)
        names.append(f"{chromosome}:{position}:{ref}:{alt}")
    write_pgen(folder / "here", names, copies)
    return folder / "here.pgen"


def _read(engine: Engine, variable: dict[str, Any]) -> tuple[np.ndarray, dict[str, int]]:
    """The (n,) scores of all people of the fileset, and the doubts."""
    ids = np.array([IDENTITY.person_id("genomics", f"p{i}") for i in range(PEOPLE)], dtype=np.int64)
    order = np.argsort(ids)
    index = np.full(PEOPLE, np.datetime64(date(2024, 1, 1)), dtype="datetime64[D]")
    with engine.connect() as connection:
        people = People(connection, Vocabulary(engine), ids[order], index)
        (found,) = columns_read(variable, people)
        scores = np.empty(PEOPLE)
        scores[order] = found
        return scores, dict(people.doubts)


def _load(engine: Engine, path: Path) -> None:
    load(engine, genomics.read(path, build="GRCh38"), "genomics", IDENTITY)


def _expected(truth: Hospital, known: np.ndarray) -> np.ndarray:
    """The (n,) sums, a missing genotype being twice its frequency."""
    copies = np.where(np.isnan(truth.copies) | ~known, 2 * truth.frequency, truth.copies)
    scores: np.ndarray = copies @ truth.weights
    return scores


@needs_plink2
def test_a_score_is_that_of_plink2_whatever_the_order_and_strand_of_alleles(
    sqlite_engine: Engine, tmp_path: Path, hospital: Hospital
) -> None:
    _load(sqlite_engine, _written(tmp_path, hospital, np.arange(VARIANTS)))
    found, doubts = _read(sqlite_engine, hospital.variable())
    assert doubts == {}
    write_pgen(tmp_path / "truth", hospital.variants, hospital.copies)
    alleles = [name.split(":")[2:] for name in hospital.variants]
    weighed = zip(hospital.variants, alleles, hospital.weights, strict=True)
    (tmp_path / "weights").write_text("".join(f"{name}\t{alt}\t{w}\n" for name, (_, alt), w in weighed))
    shares = zip(hospital.variants, alleles, hospital.frequency, strict=True)
    lines = (f"{name.split(':')[0]}\t{name}\t{ref}\t{alt}\t{p}\t320\n" for name, (ref, alt), p in shares)
    (tmp_path / "shares").write_text("#CHROM\tID\tREF\tALT\tALT_FREQS\tOBS_CT\n" + "".join(lines))
    plink2(
        tmp_path / "truth", "--read-freq", "shares", "--score", "weights", "1", "2", "3", "cols=+scoresums"
    )
    theirs = pd.read_csv(tmp_path / "truth.sscore", sep="\t")["SCORE1_SUM"]
    np.testing.assert_allclose(found, theirs, rtol=1e-5, atol=1e-5)  # the six digits that it prints


def test_variants_that_a_hospital_lacks_are_counted_and_their_frequency_stands_in(
    sqlite_engine: Engine, tmp_path: Path, hospital: Hospital
) -> None:
    here = np.arange(VARIANTS) % 20 != 0
    _load(sqlite_engine, _written(tmp_path, hospital, np.flatnonzero(here)))
    found, doubts = _read(sqlite_engine, hospital.variable())
    assert doubts == {"score-variant-absent": 12}
    np.testing.assert_allclose(found, _expected(hospital, here), rtol=1e-12)
    found, doubts = _read(sqlite_engine, hospital.variable(knows=False))
    assert doubts == {"score-variant-absent": 12}
    mean = np.nanmean(hospital.copies, axis=0)
    copies = np.where(np.isnan(hospital.copies), mean, hospital.copies)[:, here]
    np.testing.assert_allclose(found, copies @ hospital.weights[here], rtol=1e-12)


def test_people_with_too_few_of_the_variants_have_no_score(
    sqlite_engine: Engine, tmp_path: Path, hospital: Hospital
) -> None:
    holed = hospital.copies.copy()
    holed[:7, : VARIANTS // 5] = np.nan
    truth = Hospital(hospital.variants, holed, hospital.weights, hospital.frequency)
    _load(sqlite_engine, _written(tmp_path, truth, np.arange(VARIANTS)))
    found, _ = _read(sqlite_engine, truth.variable(least_known=0.9))
    np.testing.assert_array_equal(np.isnan(found), np.arange(PEOPLE) < 7)


def test_one_variant_is_a_variable_of_its_own(
    sqlite_engine: Engine, tmp_path: Path, hospital: Hospital
) -> None:
    _load(sqlite_engine, _written(tmp_path, hospital, np.arange(VARIANTS)))
    found, _ = _read(sqlite_engine, {"kind": "dosage", "variant": hospital.variants[3], "build": "GRCh38"})
    np.testing.assert_array_equal(found, hospital.copies[:, 3])


def test_a_file_of_the_catalogue_is_read_by_its_harmonized_positions(tmp_path: Path) -> None:
    expected = (("1:100:A:G", 0.5, 0.3), ("2:200:CT:C", -0.25, None))
    (tmp_path / "PGS000000_hmPOS_GRCh38.txt.gz").write_bytes(gzip.compress(SCORING_FILE.encode()))
    assert read_weights(tmp_path / "PGS000000_hmPOS_GRCh38.txt.gz", "GRCh38") == expected
    named = {"risk": {"kind": "polygenic_score", "build": "GRCh38", "weights": {"file": "score.txt"}}}
    (tmp_path / "score.txt").write_text(SCORING_FILE)
    found = PolygenicScore.model_validate(with_weights(named, tmp_path)["risk"])
    assert found.weights == expected


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("HmPOS_build=GRCh38", "HmPOS_build=GRCh37", "GRCh38"),
        ("\teffect_weight", "\tweight", "effect_weight"),
        ("\t2\t200", "\t\t", "position or the other allele"),
        ("\tCT\t", "\t\t", "position or the other allele"),
        ("-0.25", "high", "not a number"),
        ("allelefrequency_effect", "is_interaction", "interaction"),
        ("allelefrequency_effect", "dosage_1_weight", "genotypes"),
    ],
)
def test_a_file_that_a_score_cannot_be_formed_from_is_refused(
    old: str, new: str, told: str, tmp_path: Path
) -> None:
    text = SCORING_FILE.replace(old, new).replace(
        "\t0.3\t", "\tTRUE\t" if new == "is_interaction" else "\t0.3\t"
    )
    (tmp_path / "score.txt").write_text(text)
    with pytest.raises(InputError, match=told):
        read_weights(tmp_path / "score.txt", "GRCh38")


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_weights(tmp_path / "none.txt", "GRCh38")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(SCORING_FILE.encode())[:60])
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(tmp_path / "cut.txt.gz", "GRCh38")


def test_a_variant_is_weighed_once(hospital: Hospital) -> None:
    variable = hospital.variable()
    variable["weights"].append(variable["weights"][0])
    with pytest.raises(ValidationError, match="weighed twice"):
        PolygenicScore.model_validate(variable)
