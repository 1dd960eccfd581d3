"""RT29 to RT32, RT40: files that were made to fill a machine, to run code, or to be taken for others."""

import gzip
import pickle
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pydicom

from cdm.etl.record import SourceRecord, Unreadable
from protocols.core.errors import ShadowgraphError
from protocols.core.study import parse_study
from protocols.exchange.envelope import unpack
from site_node.sources import dicom, fhir, genomics, lines, nifti
from site_node.sources.genomics import columns
from tests.lib.dicom_files import write_rtstruct, write_series
from tests.lib.lying_coordinator import weaken
from tests.redteam.attack import Figure, attack
from tests.unit.dicom.test_damage import BOX, damage
from tests.unit.genomics.test_maf import HEADER

MEBIBYTE = 2**20


def _peak(read: Callable[[], object]) -> float:
    """The MiB of memory that a reader takes at most."""
    tracemalloc.start()
    try:
        with suppress(ShadowgraphError):
            read()
        return tracemalloc.get_traced_memory()[1] / MEBIBYTE
    finally:
        tracemalloc.stop()


@attack("RT29", "a compressed volume of 700 kB that becomes 160 MiB", works_from=160, holds_to=32)
def volume_bomb(folder: Path, weakened: bool) -> Figure:
    path = folder / "bomb.nii.gz"
    path.write_bytes(gzip.compress(bytes(160 * MEBIBYTE), 1))
    bound = 2**28 if weakened else 8 * MEBIBYTE  # the shipped bound, a gibibyte, scaled to this file
    with patch.object(nifti, "MAX_BYTES", bound):
        return Figure(_peak(lambda: nifti.read(path)), "MiB of memory")


class _Runs:
    """What makes whoever unpickles it create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@attack("RT30", "pickled code in the place of each kind of file and message that is read", works_from=8)
def pickled(folder: Path, weakened: bool) -> Figure:
    trace, names = (
        folder / "ran",
        ("a.nii", "a.dcm", "a.maf", "a.vcf", "a.ndjson", "a.npy", "study", "message"),
    )
    readers: dict[str, Callable[[Path], object]] = {
        "a.nii": nifti.read,
        "a.dcm": lambda path: list(dicom.read(path, folder)),
        "a.maf": lambda path: list(genomics.read(path)),
        "a.vcf": lambda path: list(genomics.read(path)),
        "a.ndjson": lambda path: list(fhir.read(path)),
        "a.npy": lambda path: np.load(path),
        "study": lambda path: parse_study(path.read_bytes()),
        "message": lambda path: unpack(path.read_bytes()),
    }
    ran = 0
    for name in names:
        path = folder / name
        path.write_bytes(pickle.dumps(_Runs(trace)))
        with suppress(ShadowgraphError, ValueError):
            pickle.loads(path.read_bytes()) if weakened else readers[name](path)  # noqa: S301
        ran += trace.exists()
        trace.unlink(missing_ok=True)
    return Figure(ran, f"of {len(names)} ran")


DAMAGED = 60


def _inside(folder: Path) -> Path:
    (folder / "rs").mkdir()
    return folder / "rs"


@attack("RT31", "damaged DICOM files: how many end in an error without a code", works_from=10, slow=True)
def damaged_dicom(folder: Path, weakened: bool) -> Figure:
    paths = [write_series(folder / "ct")[0], write_rtstruct(_inside(folder) / "rs.dcm", {"GTV": [BOX]})]
    crashes, slowest = 0, 0.0
    for path in paths:
        whole = path.read_bytes()
        for seed in range(DAMAGED):
            path.write_bytes(damage(whole, np.random.default_rng(seed)))
            begun = time.process_time()
            try:
                if weakened:
                    dataset = pydicom.dcmread(path)
                    _ = (
                        dataset.to_json(suppress_invalid_tags=False),
                        dataset.get("PixelData") and dataset.pixel_array,
                    )
                else:
                    found = list(dicom.read(path.parent, folder))
                    assert all(isinstance(one, SourceRecord | Unreadable) for one in found)
            except Exception:
                crashes += 1
            slowest = max(slowest, time.process_time() - begun)
    return Figure(
        crashes, f"of {2 * DAMAGED} files crash the reader, the slowest takes {slowest:.1f} s of CPU"
    )


@attack("RT31", "ten thousand sequences opened in one another", works_from=1)
def nested_sequences(folder: Path, weakened: bool) -> Figure:
    path = write_rtstruct(_inside(folder) / "rs.dcm", {"GTV": [BOX]})
    opening = bytes.fromhex("06301000 53510000 ffffffff feff00e0 ffffffff")
    path.write_bytes(path.read_bytes() + opening * 10_000)
    try:
        _ = pydicom.dcmread(path).to_json() if weakened else list(dicom.read(path.parent, folder))
    except (RecursionError, ShadowgraphError):
        return Figure(1, "of 1 reader overflows its stack")
    return Figure(0, "of 1 reader overflows its stack")


@attack(
    "RT32", "a VCF of one endless line, compressed a thousand times", works_from=100, holds_to=80, slow=True
)
def endless_line(folder: Path, weakened: bool) -> Figure:
    (folder / "a.vcf.gz").write_bytes(gzip.compress(b"A" * (128 * MEBIBYTE), 1))
    with (
        weaken(lines, "LINE_LIMIT", 2**40, weakened),
        weaken(lines.numbered_lines, "__defaults__", (2**40,), weakened),
    ):
        return Figure(_peak(lambda: list(genomics.read(folder / "a.vcf.gz"))), "MiB of memory")


@attack(
    "RT32",
    "a MAF of 1 kB that is half a million lines of nothing, and of broken ones",
    works_from=900_000,
    holds_to=500_000,
)
def endless_lines(folder: Path, weakened: bool) -> Figure:
    read, begun = 0, time.process_time()

    def counted(path: Path, limit: int = lines.LINE_LIMIT) -> Iterator[tuple[int, str]]:
        nonlocal read
        for number, line in numbered(path, limit):
            read += 1
            yield number, line

    numbered = lines.numbered_lines
    for name, line in (("a.maf.gz", b"\n"), ("b.maf.gz", b"broken\n")):
        (folder / name).write_bytes(gzip.compress(HEADER.encode() + b"\n" + line * 500_000, 1))
        with weaken(lines, "FREE_LINES", 2**40, weakened), patch.object(columns, "numbered_lines", counted):
            list(genomics.read(folder / name))
    seconds = time.process_time() - begun
    return Figure(read, f"lines are read, in {seconds:.1f} s of CPU")
