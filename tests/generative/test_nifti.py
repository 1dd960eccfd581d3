"""NIfTI volumes that are odd but legal, as nibabel writes and SimpleITK (niftilib) reads them."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from protocols.core.errors import InputError
from site_node.sources import nifti
from tests.generative.draws import DRAWS, chance, one
from tests.generative.test_images import rotation

sitk = pytest.importorskip("SimpleITK", reason="the second reader of images: pip install simpleitk")
TYPES = ("u1", "i2", "i4", "f4", "f8", "i1", "u2", "u4")
UNITS = {"mm": (2, 1.0), "unknown": (0, 1.0), "meter": (1, 1000.0), "micron": (3, 0.001)}
SHEARED = "sheared"


class Drawn:
    """A volume as it is drawn: its numbers (z, y, x), where its voxels lie, and why it cannot be used."""

    def __init__(self, rng: Generator, path: Path) -> None:
        self.fault = SHEARED if rng.random() < 0.05 else ""
        kind = str(one(rng, *TYPES))
        x, y, z = (int(n) for n in rng.integers(2, 7, 3))
        stored = (rng.integers(0, 100, (x, y, z)) if kind[0] != "f" else rng.normal(size=(x, y, z))).astype(
            kind
        )
        code, factor = list(UNITS.values())[int(rng.integers(4))]
        spacing = rng.uniform(0.4, 5, 3).astype(np.float32).astype(float)
        axes = rotation(rng)
        if self.fault:
            axes = axes @ np.array([[1, 0.3, 0], [0, 1, 0], [0, 0, 1]])
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = axes * spacing / factor, rng.uniform(-100, 100, 3) / factor
        image = nibabel.Nifti1Image(stored.reshape((x, y, z, *[1] * int(rng.integers(0, 3)))), affine)
        header = image.header
        header["xyzt_units"] = code | int(one(rng, 0, 8, 16))  # type: ignore[call-overload]
        self.forms(rng, image, affine)
        slope, intercept = self.scaling(rng)
        header.set_slope_inter(None, None)
        image.to_filename(path)
        content = bytearray(path.read_bytes())
        content[112:116], content[116:120] = np.float32(slope).tobytes(), np.float32(intercept).tobytes()
        if rng.random() < 0.3:
            content = bytearray(gzip.compress(bytes(content), 1))  # told by its bytes, whatever it is called
            path = path.with_suffix(".nii.gz")
        path.write_bytes(bytes(content))
        self.path = path
        self.added_by_itk = intercept if slope == 0 else 0.0
        is_scaled = slope != 0 and np.isfinite(slope)
        values = stored.astype(float) * np.float32(slope) + np.float32(intercept) if is_scaled else stored
        self.values: NDArray[np.float64] = np.asarray(values, dtype=float).T
        self.affine = affine.copy()
        self.affine[:3] *= factor

    def forms(self, rng: Generator, image: nibabel.Nifti1Image, affine: NDArray[np.float64]) -> None:
        """The transform by sform, by qform or by both."""
        kind = "sform" if self.fault else str(one(rng, "both", "sform", "qform"))
        code = int(one(rng, 1, 2, 3))  # type: ignore[call-overload]
        image.set_sform(affine, code=code if kind != "qform" else 0)
        if kind == "sform":
            image.header["qform_code"] = 0
        else:
            image.set_qform(affine, code=code)

    def scaling(self, rng: Generator) -> tuple[float, float]:
        ways = (
            (1.0, 0.0),
            (0.0, 0.0),
            (np.nan, np.nan),
            (0.5, -3.0),
            (np.nan, 0.0),
            (2.0, 10.0),
            (0.0, 7.0),
            (-1.0, 0.0),
        )
        return ways[int(rng.integers(len(ways)))]


def differs(drawn: Drawn) -> str:
    """What of a volume is not as it was drawn and as SimpleITK reads it; empty where all is."""
    try:
        found = nifti.read(drawn.path)
    except InputError as error:
        return "" if drawn.fault and "right angles" in error.text else error.text
    if drawn.fault:
        return "read in spite of its shear"
    if not np.allclose(found.array, drawn.values, rtol=1e-6, atol=1e-6):
        return "numbers"
    if not np.allclose(found.affine, drawn.affine, rtol=1e-4, atol=1e-3):
        return "geometry"
    image = sitk.ReadImage(str(drawn.path), sitk.sitkFloat64)
    image = (
        image[tuple([slice(None)] * 3 + [0] * (image.GetDimension() - 3))]
        if image.GetDimension() > 3
        else image
    )
    numbers = sitk.GetArrayFromImage(image)
    # niftilib adds an intercept whose slope is 0; nifti1.h says that nothing is scaled then
    numbers = numbers.reshape(found.array.shape) - drawn.added_by_itk
    if not np.allclose(numbers, found.array, rtol=1e-5, atol=1e-5):
        return "numbers of SimpleITK"
    theirs = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    flipped = np.diag([-1.0, -1.0, 1.0])  # ITK's x and y go to the left and back
    is_there = np.allclose(flipped @ theirs, found.affine[:3, :3], rtol=1e-4, atol=1e-3)
    is_there &= np.allclose(flipped @ np.array(image.GetOrigin()), found.affine[:3, 3], rtol=1e-4, atol=1e-2)
    return "" if is_there else "geometry of SimpleITK"


@DRAWS
def test_a_volume_is_read_as_it_was_written_and_as_simpleitk_reads_it(draws: range, tmp_path: Path) -> None:
    drawn = {draw: Drawn(chance("nifti", draw), tmp_path / f"{draw}.nii") for draw in draws}
    wrong = {draw: told for draw, one_drawn in drawn.items() if (told := differs(one_drawn))}
    assert wrong == {}
