"""Checks filesets of genotypes once their samples are loaded, and keeps what of them no study reads."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, select

from cdm.database import upsert
from cdm.etl import SourceRecord, Unreadable
from cdm.etl.genomics.genotype import packed_check
from cdm.schema import genotype_check, genotype_sample, person
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.errors import Code, InputError
from site_node.sources.genomics.genotypes import KIND
from site_node.sources.genotypes.checks import Known, Verdict, check
from site_node.sources.genotypes.fileset import BadFileset, Fileset
from site_node.sources.genotypes.genome_build import only_on_x


@dataclass
class Filesets:
    """The filesets whose samples a load has met: path -> (digest, genome build, strand)."""

    met: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def noting(self, records: Iterable[SourceRecord | Unreadable]) -> Iterator[SourceRecord | Unreadable]:
        """The same records."""
        for one in records:
            if isinstance(one, SourceRecord) and one.kind == KIND:
                told = one.body["digest"], one.body["reference_genome"], one.body["strand"]
                self.met[one.body["path"]] = told
            yield one


def check_filesets(engine: Engine, filesets: Filesets, *, apply: bool) -> list[dict[str, Any]]:
    """What was found in each fileset; kept for the readers of studies, which leave it out, if `apply`.

    Raises:
        InputError: a fileset cannot be read to its end.
    """
    reports = []
    for path, (digest, build, strand) in filesets.met.items():
        fileset = Fileset(Path(path))
        try:
            found, samples = fileset.read_variants(), fileset.read_samples()
            known = _known(engine, path, digest, len(samples))
            verdict = check(fileset, found, only_on_x(found, build), known)
        except BadFileset as bad:
            raise InputError(Code.INVALID_INPUT, bad.reason, "make the fileset again") from None
        _keep(engine, digest, verdict, apply=apply)
        about = {"fileset": fileset.genotypes.name, "build": build, "strand": strand, "applied": apply}
        reports.append({**about, **_report(verdict)})
    return reports


def _known(engine: Engine, path: str, digest: str, samples: int) -> Known:
    """The sexes of the people whose samples a fileset has."""
    vocabulary, sample = Vocabulary(engine), genotype_sample.c
    statement = (
        select(sample.place, person.c.gender_concept_id)
        .join_from(genotype_sample, person, sample.person_id == person.c.person_id)
        .where(sample.local_path == path, sample.digest == digest)
    )
    concepts = np.zeros(samples, dtype=np.int64)
    with engine.connect() as connection:
        for place, concept in connection.execute(statement):
            concepts[place] = concept or 0
    man, woman = (vocabulary.resolve("Gender", sex).concept_id for sex in "MF")
    return Known(concepts == man, concepts == woman)


def _keep(engine: Engine, digest: str, verdict: Verdict, *, apply: bool) -> None:
    bad: Mapping[int, str] = verdict.bad_samples if apply else {}
    variants = verdict.bad_variants.tolist() if apply else []
    row = {
        "digest": digest,
        "checked_at": datetime.now(UTC).replace(tzinfo=None),
        "content": packed_check(sorted(bad), variants),
    }
    with engine.begin() as connection:
        upsert(connection, genotype_check, [row])


def _report(verdict: Verdict) -> dict[str, Any]:
    lines: dict[str, list[int]] = {}
    for place, code in sorted(verdict.bad_samples.items()):
        lines.setdefault(code, []).append(place + 1)
    return {
        "samples": verdict.samples,
        "variants": verdict.variants,
        "sample_lines": {code: tuple(found) for code, found in lines.items()},
        "variants_left_out": dict(Counter(verdict.why)),
        "told": dict(verdict.told),
    }
