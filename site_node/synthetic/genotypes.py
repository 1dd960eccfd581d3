"""A hospital's array of genotypes: a PLINK 1.9 fileset, with a variant that changes the tumour planted in it.

    OUT/variants.txt                           the array's manifest, CHROMOSOME:POSITION:REF:ALT on GRCh37
    OUT/score.txt                              a polygenic score of the texture, as the PGS Catalog writes one
    OUT/<hospital>/genomics/genotypes.bed      .bim, .fam; the samples are called as their patients

Two ancestral populations (Balding and Nichols, Genetica 96 (1995) 3) are mixed in each person, and hospitals
differ in the mixture as their scanners differ in what they read: whatever is frequent in one population goes
with a high reading, and means nothing. Neighbours are in linkage within blocks of ten. A person's copies come
from a normal latent number cut at Hardy and Weinberg's shares; of the planted variant it leans on the texture
of the tumour, so that the patients themselves stay those of a consortium without genotypes.

Each hospital has known flaws: a tenth of its variants is written with the other allele first, one sample
failed on a third of the variants, one was taken from somebody of the other sex, two are siblings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from site_node.synthetic.patients import TEXTURE_HU, Patient
from site_node.synthetic.plan import HospitalPlan
from site_node.synthetic.truth import PLANTED

GENOME = "GRCh37"
MANIFEST, SCORE, FILESET = "variants.txt", "score.txt", "genotypes"

_FST = 0.1
_MIXED = 6.0  # of a person's share of the first population: how close to the hospital's
_BLOCK, _LINKAGE = 10, 0.9
_MISSING, _MISSING_OF_FAILED = 0.01, 0.33
_SWAPPED_SHARE = 0.1
_AT_ONCE = 1000  # variants in memory
_SCORED = 20  # variants with a weight, beside the planted one
_SCORE_COLUMNS = (
    "chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight", "allelefrequency_effect",
)  # fmt: skip
_PAIRS = (("A", "G"), ("C", "T"), ("A", "C"), ("G", "T"))

# lengths in Mb of 1 to 22 and X (GRCh37)
_MEGABASES = (
    249, 243, 198, 191, 181, 171, 159, 146, 141, 136, 135, 134, 115, 107, 103, 90, 81, 78, 59, 63, 48, 51,
    155,
)  # fmt: skip
_X = len(_MEGABASES)


@dataclass(frozen=True)
class Manifest:
    """The variants of an array, and how frequent ALT is in both populations.

    Attributes:
        chromosome, position: (v,), X as 23; ref, alt: (v,) bases.
        frequency: (2, v) of ALT, by population.
        planted, structured: places of the variant that changes the tumour, and of the one that differs most
            between the populations.
    """

    chromosome: NDArray[np.int64]
    position: NDArray[np.int64]
    ref: NDArray[np.str_]
    alt: NDArray[np.str_]
    frequency: NDArray[np.float64]
    planted: int
    structured: int

    @cached_property
    def names(self) -> tuple[str, ...]:
        """CHROMOSOME:POSITION:REF:ALT of each."""
        chromosomes = ("X" if c == _X else str(c) for c in self.chromosome)
        return tuple(
            map(":".join, zip(chromosomes, map(str, self.position), self.ref, self.alt, strict=True))
        )

    def truth(self) -> dict[str, str]:
        """What is planted, by name."""
        return {
            "planted": self.names[self.planted],
            "changes": "the texture of the tumour",
            "structured": self.names[self.structured],
        }


def manifest(variants: int, seed: int) -> Manifest:
    """An array of so many variants, evenly over the genome, the same for every hospital."""
    rng = np.random.default_rng([seed, variants, 4])
    shares = np.cumsum(np.array(_MEGABASES) / sum(_MEGABASES))
    ends = np.round(shares * variants).astype(int)
    chromosome = np.searchsorted(ends, np.arange(variants), side="right") + 1
    position = np.zeros(variants, dtype=np.int64)
    for c, megabases in enumerate(_MEGABASES, start=1):
        here = np.flatnonzero(chromosome == c)
        # no two in one place, and none in the regions that X shares with Y
        slots = np.linspace(3e6, megabases * 1e6 - 3e6, len(here) + 1)
        position[here] = (slots[:-1] + rng.random(len(here)) * 0.9 * np.diff(slots)).astype(np.int64)
    pairs = np.array(_PAIRS)[rng.integers(len(_PAIRS), size=variants)]
    first = rng.integers(2, size=variants)
    at = np.arange(variants)
    common = rng.uniform(0.05, 0.5, variants)
    a, b = common * (1 - _FST) / _FST, (1 - common) * (1 - _FST) / _FST
    frequency = np.clip(np.stack([rng.beta(a, b), rng.beta(a, b)]), 0.01, 0.99)
    planted, structured = variants // 5 // _BLOCK * _BLOCK + 5, variants * 3 // 5 // _BLOCK * _BLOCK + 5
    frequency[:, planted], frequency[:, structured] = 0.35, (0.95, 0.05)
    return Manifest(
        chromosome, position, pairs[at, first], pairs[at, 1 - first], frequency, planted, structured
    )


def write_manifest(out: Path, array: Manifest) -> None:
    """Writes the public list, which lies beside the hospitals."""
    (out / MANIFEST).write_text("\n".join(array.names) + "\n")


def write_score(out: Path, array: Manifest) -> None:
    """Writes a score of the planted variant, and of some that mean nothing with a tenth of its weight."""
    step = max(1, len(array.names) // _SCORED)
    weights = {int(place): 0.1 * (-1.0) ** k for k, place in enumerate(range(0, len(array.names), step))}
    weights[array.planted] = 1.0
    lines = ["#format_version=2.0", f"#genome_build={GENOME}", "\t".join(_SCORE_COLUMNS)]
    for place, weight in sorted(weights.items()):
        chromosome, position, ref, alt = array.names[place].split(":")
        share = array.frequency[:, place].mean()
        lines.append(f"{chromosome}\t{position}\t{alt}\t{ref}\t{weight:g}\t{share:.4f}")
    (out / SCORE).write_text("\n".join(lines) + "\n")


def write_genotypes(
    folder: Path,
    plan: HospitalPlan,
    patients: tuple[Patient, ...],
    array: Manifest,
    rng: np.random.Generator,
) -> dict[str, object]:
    """What was written into `folder`, which is there: how many samples, and who has which flaw."""
    genotyped = tuple(patient for patient in patients if rng.random() >= 0.04)
    flaws = _Flaws.among(genotyped)
    swapped = rng.random(len(array.position)) < _SWAPPED_SHARE
    path = folder / f"{FILESET}.bed"
    with path.open("wb") as file:
        file.write(bytes([0x6C, 0x1B, 1]))
        for some, copies in _copies(plan, genotyped, flaws, array, rng):
            file.write(_packed(np.where(swapped[some] & (copies >= 0), 2 - copies, copies)))
    a1, a2 = np.where(swapped, array.ref, array.alt), np.where(swapped, array.alt, array.ref)
    rows = zip(array.chromosome, array.position, a1, a2, strict=True)
    lines = (f"{c}\tv{i}\t0\t{p}\t{x}\t{y}\n" for i, (c, p, x, y) in enumerate(rows))
    path.with_suffix(".bim").write_text("".join(lines))
    sexes = (1 if patient.sex == "male" else 2 for patient in genotyped)
    people = (f"0\t{one.patient_id}\t0\t0\t{sex}\t-9\n" for one, sex in zip(genotyped, sexes, strict=True))
    path.with_suffix(".fam").write_text("".join(people))
    return {"genotyped": len(genotyped), "genotype_flaws": flaws.names(genotyped)}


@dataclass(frozen=True)
class _Flaws:
    """Places of the samples with a planted flaw among those that were genotyped."""

    failed: int
    other_sex: int
    siblings: tuple[int, int]

    @classmethod
    def among(cls, patients: tuple[Patient, ...]) -> "_Flaws":
        """The first with a flaw each; siblings have one sex, so that X is shared as the rest."""
        women = [i for i, patient in enumerate(patients) if patient.sex == "female"]
        men = [i for i, patient in enumerate(patients) if patient.sex == "male"]
        return cls(men[0], men[1], (women[0], women[1]))

    def names(self, patients: tuple[Patient, ...]) -> dict[str, object]:
        return {
            "failed": patients[self.failed].patient_id,
            "other_sex": patients[self.other_sex].patient_id,
            "siblings": [patients[i].patient_id for i in self.siblings],
        }


def _copies(
    plan: HospitalPlan,
    patients: tuple[Patient, ...],
    flaws: _Flaws,
    array: Manifest,
    rng: np.random.Generator,
) -> Iterator[tuple[slice, NDArray[np.int64]]]:
    """The (n, k) copies of ALT of everybody, some variants at a time; -1: missing."""
    n, first = len(patients), plan.ancestry
    share = rng.beta(_MIXED * first, _MIXED * (1 - first), n)
    share[flaws.siblings[1]] = share[flaws.siblings[0]]
    has_one_x = np.array([patient.sex == "male" for patient in patients])
    has_one_x[flaws.other_sex] ^= True
    missing = np.full(n, _MISSING)
    missing[flaws.failed] = _MISSING_OF_FAILED
    texture = np.array([_texture(patient) for patient in patients])
    for begin in range(0, len(array.position), _AT_ONCE):
        some = slice(begin, min(begin + _AT_ONCE, len(array.position)))
        places = np.arange(some.start, some.stop)
        latent = _latent(n, places, array.planted, texture, rng)
        same = np.repeat(rng.random(-(-len(places) // _BLOCK)) < 0.5, _BLOCK)[: len(places)]
        latent[flaws.siblings[1], same] = latent[flaws.siblings[0], same]
        p = np.outer(share, array.frequency[0, some]) + np.outer(1 - share, array.frequency[1, some])
        u = norm.cdf(latent)
        copies = (u > (1 - p) ** 2).astype(np.int64) + (u > 1 - p**2)
        one_x = np.ix_(has_one_x, array.chromosome[some] == _X)
        copies[one_x] = 2 * (u[one_x] > 1 - p[one_x])
        copies[rng.random(copies.shape) < missing[:, None]] = -1
        yield some, copies


def _latent(
    n: int,
    places: NDArray[np.int64],
    planted: int,
    texture: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(n, k) standard normal numbers, in blocks of linkage; at the planted place they lean on the texture."""
    fresh = rng.standard_normal((n, len(places)))
    latent = fresh.copy()
    for begin in range(0, len(places), _BLOCK):
        end = min(begin + _BLOCK, len(places))
        start = begin
        if places[begin] <= planted <= places[end - 1]:
            start = begin + planted - int(places[begin])
            lean = PLANTED.planted_variant.correlation
            latent[:, start] = lean * texture + (1 - lean**2) ** 0.5 * fresh[:, start]
        for j in range(start + 1, end):
            latent[:, j] = _LINKAGE * latent[:, j - 1] + (1 - _LINKAGE**2) ** 0.5 * fresh[:, j]
        for j in range(start - 1, begin - 1, -1):
            latent[:, j] = _LINKAGE * latent[:, j + 1] + (1 - _LINKAGE**2) ** 0.5 * fresh[:, j]
    return latent


def _texture(patient: Patient) -> float:
    """How much rougher a tumour is than those of its IDH1 status, in standard deviations."""
    link = PLANTED.true_link
    expected = log(TEXTURE_HU) + link.log_texture_shift * (link.gene in patient.mutated)
    return (log(patient.lesion.texture_hu) - expected) / link.log_texture_sd


def _packed(copies: NDArray[np.int64]) -> bytes:
    """(n, k) copies of the first allele as the bytes of a BED, variant by variant, four people in each."""
    code = np.array([3, 2, 0, 1], dtype=np.uint8)[copies]  # 0, 1, 2 copies; -1, the last, is missing
    whole = np.zeros((-(-len(code) // 4) * 4, code.shape[1]), dtype=np.uint8)
    whole[: len(code)] = code
    four = whole[0::4] | whole[1::4] << 2 | whole[2::4] << 4 | whole[3::4] << 6
    return bytes(four.T.tobytes())
