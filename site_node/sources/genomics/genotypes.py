"""The samples of a PLINK fileset as records: whose genotypes they are, and where they lie."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from cdm.etl.record import Body, SourceRecord, Unreadable
from site_node.sources.genomics.asked import Asked
from site_node.sources.genomics.builds import OTHER_BUILD
from site_node.sources.genomics.panel import patient_of
from site_node.sources.genotypes.fileset import BadFileset, Fileset
from site_node.sources.genotypes.genome_build import contradicts

KIND = "Genotypes"
NO_BUILD = (
    "unknown-genome-build",
    "the fileset does not say its genome build; name it by --build, such as GRCh38",
)
CONTRADICTED = (
    "other-genome-build",
    "well-known rs numbers, or the ends of chromosomes, say that it lies on another build than --build",
)
TWICE = ("sample-twice", "the fileset has two samples of one individual ID; give them two names")


def read(file: Path, name: str, asked: Asked) -> Iterator[SourceRecord | Unreadable]:
    """One record for each sample of a fileset, which stays where it lies."""
    if not asked.build:
        yield Unreadable(KIND, name, *NO_BUILD)
        return
    if not asked.builds.admits(asked.build):
        yield Unreadable(KIND, name, *OTHER_BUILD)
        return
    fileset = Fileset(file.resolve())
    try:
        samples, digest = fileset.read_samples(), fileset.digest()
        variants = fileset.read_variants()
        with fileset.opened(len(samples), len(variants)):
            pass  # whether it opens
    except BadFileset as bad:
        yield Unreadable(KIND, name, bad.code, bad.reason)
        return
    if contradicts(variants, asked.build):
        yield Unreadable(KIND, name, *CONTRADICTED)
        return
    seen = Counter(samples)
    for line, sample in enumerate(samples, start=1):
        position = f"{fileset.samples.name}:{line}"
        if seen[sample] > 1:
            yield Unreadable(KIND, position, *TWICE)
            continue
        body: Body = {
            "patient": asked.patients.get(sample) or patient_of(sample),
            "sample": sample,
            "kind": f"genotypes {fileset.genotypes}",
            "assay": "genotypes",
            "reference_genome": asked.build,
            "target_scope": "genotypes",
            "target_megabases": None,
            "genes": [],
            "path": str(fileset.genotypes),
            "column": line - 1,
            "strand": asked.strand,
            "digest": digest,
        }
        yield SourceRecord(KIND, f"{fileset.genotypes}#{sample}"[-255:], position, body)
