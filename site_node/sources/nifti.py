"""NIfTI-1 volumes: the few fields that a volume needs, without a library (nifti.nimh.nih.gov, nifti1.h)."""

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from protocols.core.errors import Code, InputError, not_found
from site_node.features.radiomics.model import Spacing

MAX_BYTES = 2**30
"""Of a compressed file's content: a body in voxels of 1 mm has half of it."""

HEADER = np.dtype(
    [
        ("sizeof_hdr", "i4"), ("unused", "V36"), ("dim", "i2", 8), ("intent", "V14"), ("datatype", "i2"),
        ("bitpix", "i2"), ("slice_start", "i2"), ("pixdim", "f4", 8), ("vox_offset", "f4"), ("scl_slope",
        "f4"), ("scl_inter", "f4"), ("slice_end", "i2"), ("slice_code", "u1"),
        ("xyzt_units", "u1"), ("more", "V128"), ("qform_code", "i2"), ("sform_code", "i2"), ("quatern",
        "f4", 3), ("qoffset", "f4", 3), ("sform", "f4", (3, 4)), ("intent_name", "S16"), ("magic", "S4"),
    ]
)  # fmt: skip
TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
UNITS_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # of space by the header's code: none told, m, mm, um
FIRST_VOXEL = 352  # bytes: nearer to the beginning lies the header itself
MAX_LABELS = 1000
OFF_LABEL = 1e-4  # from a whole number: so far may a label be by its scaling or by rounding
HALF_TURN = 1e-7  # of a quaternion's first part squared: below, it is one of half a turn
SKEW = 1e-3  # cosine between two axes from which a grid is not orthogonal


@dataclass(frozen=True)
class Volume:
    """A volume (z, y, x), or several, with the spacing and the 4 x 4 matrix from (x, y, z) indices to mm."""

    array: NDArray[np.number]
    spacing_mm: Spacing
    affine: NDArray[np.float64]

    def on_grid_of(self, other: "Volume") -> bool:
        """Whether the voxels of both lie at the same places, to a hundredth of a voxel."""
        if self.array.shape[-3:] != other.array.shape[-3:]:
            return False
        return bool(np.abs(self.affine - other.affine).max() <= 0.01 * min(self.spacing_mm))


def read(path: Path, several: bool = False) -> Volume:
    """The volume of a .nii or .nii.gz file; `several` volumes of one place are (volume, z, y, x).

    Values are scaled by slope and intercept unless the slope is 0 or not finite, as nibabel reads them;
    lengths are mm whatever unit the file tells, as ITK reads them.

    Raises InputError for what is not an orthogonal 3D NIfTI-1 volume.
    """
    try:
        data = path.read_bytes()
        data = _inflated(data, path) if data[:2] == b"\x1f\x8b" else data
    except FileNotFoundError:
        raise not_found(path) from None
    except (OSError, EOFError, zlib.error):
        raise InputError(Code.INVALID_INPUT, f"{path.name} cannot be read: damaged or truncated") from None
    header = _header(data, path)
    array = _voxels(data, header, path, several)
    affine = _affine(header)
    affine[:3] *= _unit_mm(header, path)
    steps = affine[:3, :3]
    lengths = np.linalg.norm(steps, axis=0)
    if not np.all(np.isfinite(affine)) or np.any(lengths <= 0):
        raise InputError(Code.INVALID_INPUT, f"{path.name}: the voxel size is not usable")
    cosines = (steps / lengths).T @ (steps / lengths) - np.eye(3)
    if np.abs(cosines).max() > SKEW:
        fix = "Resample it onto a grid with right angles first."
        raise InputError(Code.INVALID_INPUT, f"{path.name}: its axes are not at right angles", fix)
    x, y, z = (float(length) for length in lengths)
    return Volume(array, (z, y, x), affine)


def labels(volume: Volume) -> dict[str, NDArray[np.bool_]]:
    """The mask (z, y, x) of each label of a volume but 0, by its number.

    Labels of floating point are one where they print alike at six digits, and 0 where they are nearly.
    """
    array = volume.array
    if not np.issubdtype(array.dtype, np.integer):
        found = np.where(np.isfinite(array), array.astype(np.float64), 0.0)
        whole = np.round(found)
        array = np.where(np.abs(found - whole) <= OFF_LABEL, whole, found)
    names: dict[str, list[np.number]] = {}
    for label in np.unique(array):
        if label != 0:
            names.setdefault(_printed(label), []).append(label)
    if len(names) > MAX_LABELS:
        raise InputError(Code.INVALID_INPUT, "the mask holds more labels than a mask has")
    return {
        name: np.asarray(array == alike[0] if len(alike) == 1 else np.isin(array, alike))
        for name, alike in names.items()
    }


def _printed(label: np.number) -> str:
    is_whole = float(label) == round(float(label))
    return str(int(label)) if is_whole else f"{float(label):.6g}"


def _inflated(data: bytes, path: Path) -> bytes:
    """The content of a gzip file, as long as it is one volume's.

    Raises:
        InputError: it is larger than `MAX_BYTES`; seven megabytes can become three gigabytes.
    """
    with gzip.open(io.BytesIO(data)) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(
            Code.INVALID_INPUT,
            f"{path.name} holds more than {MAX_BYTES // 2**20} MiB",
            "decompress it, or cut the volume to the region and its surroundings",
        )
    return content


def _header(data: bytes, path: Path) -> np.void:
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        if len(data) >= HEADER.itemsize:
            header: np.void = np.frombuffer(data, HEADER.newbyteorder(order), count=1)[0]
            if header["sizeof_hdr"] == HEADER.itemsize and header["magic"][:3] == b"n+1":
                return header
    raise InputError(Code.INVALID_INPUT, f"{path.name} is not a single-file NIfTI-1 volume")


def _voxels(data: bytes, header: np.void, path: Path, several: bool) -> NDArray[np.number]:
    n_dimensions, *sizes = header["dim"].tolist()
    volumes = sizes[3] if several and n_dimensions > 3 else 1
    shape = [*sizes[:3], volumes] if several else sizes[:3]
    if n_dimensions < 3 or min(shape) < 1 or any(size > 1 for size in sizes[len(shape) : n_dimensions]):
        raise InputError(Code.INVALID_INPUT, f"{path.name} is not one 3D volume")
    if header["datatype"].item() not in TYPES:
        raise InputError(Code.INVALID_INPUT, f"{path.name} has voxels that are not real numbers")
    stored = np.dtype(TYPES[header["datatype"].item()]).newbyteorder(header.dtype["dim"].base.byteorder)
    count, offset = int(np.prod(shape, dtype=np.int64)), float(header["vox_offset"])
    if not FIRST_VOXEL <= offset <= len(data) - count * stored.itemsize:
        raise InputError(Code.INVALID_INPUT, f"{path.name} is truncated")
    voxels = np.frombuffer(data, stored, count, int(offset)).reshape(shape[::-1])
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope) or (slope == 1 and intercept == 0):
        return np.asarray(voxels.astype(stored.newbyteorder("=")))
    if not np.isfinite(intercept):
        raise InputError(Code.INVALID_INPUT, f"{path.name} has a slope and no finite intercept")
    return voxels.astype(np.float64) * slope + intercept


def _unit_mm(header: np.void, path: Path) -> float:
    """What its lengths are multiplied by to be mm (xyzt_units; where none is told they are mm)."""
    code = int(header["xyzt_units"]) & 7
    if code not in UNITS_MM:
        raise InputError(Code.INVALID_INPUT, f"{path.name}: its unit of space is not one that NIfTI knows")
    return UNITS_MM[code]


def _affine(header: np.void) -> NDArray[np.float64]:
    """Indices (x, y, z) to mm by the sform, else the qform, else the voxel sizes alone."""
    affine = np.eye(4)
    if header["sform_code"] > 0:
        affine[:3] = header["sform"]
        return affine
    sizes = header["pixdim"].astype(np.float64)
    affine[:3, :3] = np.diag(np.abs(sizes[1:4]))
    if header["qform_code"] > 0:
        b, c, d = header["quatern"].astype(np.float64)
        rest = 1 - b * b - c * c - d * d
        if rest < HALF_TURN:  # what is left is rounding (nifti1_io.c, nifti_quatern_to_mat44)
            rest, (b, c, d) = 0.0, np.array([b, c, d]) / np.sqrt(b * b + c * c + d * d)
        a = np.sqrt(rest)
        rotation = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        rotation[:, 2] *= -1.0 if sizes[0] < 0 else 1.0
        affine[:3, :3] = rotation @ affine[:3, :3]
        affine[:3, 3] = header["qoffset"]
    return affine
