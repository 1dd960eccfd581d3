"""The engine on files: what nibabel writes is read, and what is wrong with a file is said."""

import csv
import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from protocols.core.errors import Code, InputError
from server.main import run
from site_node.features.radiomics.presets import PRESETS, preset
from site_node.images.files import Asked, wanted
from site_node.images.picture import draw
from site_node.sources import nifti
from tests.lib.dicom_files import write_rtstruct, write_series

SHAPE = (7, 8, 9)  # (x, y, z), as NIfTI has it


def values(dtype: str = "int16") -> NDArray[np.number]:
    return np.random.default_rng(0).integers(0, 100, SHAPE).astype(dtype)


def write(path: Path, array: NDArray[np.number], affine: NDArray[np.float64] | None = None) -> Path:
    if affine is None:
        affine = np.diag([0.5, 0.75, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def labels() -> NDArray[np.uint8]:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[1:4, 2:6, 2:7] = 1
    mask[4:6, 2:6, 2:7] = 3
    return mask


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
def test_volumes_are_read_as_written(tmp_path: Path, dtype: str, name: str) -> None:
    volume = nifti.read(write(tmp_path / name, values(dtype)))
    np.testing.assert_array_equal(volume.array, values(dtype).T)
    assert volume.spacing_mm == pytest.approx((2.0, 0.75, 0.5))


def test_scaled_and_byte_swapped_volumes_are_read(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    image = nibabel.Nifti1Image(values(), np.eye(4), header)
    image.header.set_slope_inter(0.5, -3)
    image.to_filename(tmp_path / "swapped.nii")
    expected = nibabel.load(tmp_path / "swapped.nii").get_fdata()
    np.testing.assert_allclose(nifti.read(tmp_path / "swapped.nii").array, expected.T)


def test_the_qform_counts_where_there_is_no_sform(tmp_path: Path) -> None:
    turn = np.array([[0.0, -2, 0, 5], [1, 0, 0, 6], [0, 0, 3, 7], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(values(), turn)
    image.set_sform(None, code=0)
    image.set_qform(turn, code=1)
    nibabel.save(image, tmp_path / "turned.nii")
    np.testing.assert_allclose(nifti.read(tmp_path / "turned.nii").affine, turn, atol=1e-5)


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as error:
        nifti.read(path)
    return error.value


def test_axes_that_are_not_at_right_angles_are_refused(tmp_path: Path) -> None:
    skewed = np.diag([1.0, 1.0, 1.0, 1.0])
    skewed[0, 1] = 0.2
    assert "right angles" in refused(write(tmp_path / "skewed.nii", values(), skewed)).text


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.nii", values()).read_bytes()
    cases = {
        "short.nii": whole[:-50],
        "header.nii": whole[:200],
        "text.nii": b"not an image at all" * 50,
        "broken.nii.gz": gzip.compress(whole)[:-100],
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        assert name in refused(tmp_path / name).text
    assert refused(tmp_path / "absent.nii").code is Code.NOT_FOUND
    assert "not one 3D volume" in refused(write(tmp_path / "4d.nii", np.ones((3, 3, 3, 2)))).text


def test_the_command_measures_each_label(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, mask = write(tmp_path / "i.nii.gz", values()), write(tmp_path / "m.nii.gz", labels())
    words = ["radiomics", str(image), str(mask), "--preset", "mr"]
    files = ["--csv", str(tmp_path / "f.csv"), "--picture", str(tmp_path / "p.png")]
    assert run(words + files, as_json=True) == 0
    result = json.loads(capsys.readouterr().out)
    assert {row["region"] for row in result["features"]} == {"1", "3"}
    assert result["settings"] == preset("mr").digest()
    with (tmp_path / "f.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(result["features"])
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert run([*words, "--region", "3"], as_json=True) == 0
    assert {row["region"] for row in json.loads(capsys.readouterr().out)["features"]} == {"3"}


def test_what_is_wrong_has_the_exit_code_of_invalid_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, mask = write(tmp_path / "i.nii", values()), write(tmp_path / "m.nii", labels())
    moved = write(tmp_path / "moved.nii", labels(), np.diag([0.5, 0.75, 2.1, 1.0]))
    for words in (
        [str(image), str(moved)],
        [str(image), str(mask), "--region", "liver"],
        [str(image), str(mask), "--preset", "xray"],
        [str(image), str(mask), "--config", str(tmp_path / "absent.yaml")],
        [str(tmp_path / "absent.nii"), str(mask)],
        [str(tmp_path), str(mask)],
    ):
        assert run(["radiomics", *words], as_json=False) == 4
        assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid(name: str) -> None:
    assert len(preset(name).digest()) == 64


def test_output_that_cannot_be_written_is_said_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, mask = write(tmp_path / "i.nii", values()), write(tmp_path / "m.nii", labels())
    for words in (["--csv", "x/f.csv"], ["--picture", "x/p.png"], ["--stability", "--csv", str(tmp_path)]):
        assert run(["radiomics", str(image), str(mask), *words], as_json=False) == 4
        assert "no folder to write" in capsys.readouterr().err


def test_a_dicom_folder_is_one_series_and_its_mask_may_lie_in_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    square = [[(1.5, 1.5, z), (6.5, 1.5, z), (6.5, 5.5, z), (1.5, 5.5, z)] for z in (1.0, 2.0)]
    (tmp_path / "mask").mkdir()
    write_rtstruct(tmp_path / "mask" / "rs.dcm", {"GTV": square})
    write_series(tmp_path / "image")
    (tmp_path / "image" / ".hidden").write_text("no image")
    (tmp_path / "few.yaml").write_text("families: [intensity]\n")
    words = [str(tmp_path / "mask"), "--config", str(tmp_path / "few.yaml")]
    assert run(["radiomics", str(tmp_path / "image"), *words], as_json=True) == 0
    rows = json.loads(capsys.readouterr().out)["features"]
    assert rows[0]["unit"] == "[hnsf'U]"  # the image says so, whatever the settings
    for name, said in (
        ("empty", "no file of an image"),
        ("image", "several series"),
        ("mask", "neither a CT"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        if name == "image":
            write_series(tmp_path / "other", series_uid="1.2.3")
            for path in (tmp_path / "other").iterdir():
                path.rename(tmp_path / "image" / f"other-{path.name}")
        assert run(["radiomics", str(tmp_path / name), *words], as_json=False) == 4
        assert said in capsys.readouterr().err
    words[0] = str(tmp_path / "image")
    assert run(["radiomics", str(tmp_path / "image"), *words], as_json=False) == 4


def test_a_dicom_series_has_its_modalitys_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    square = [[(1.5, 1.5, z), (6.5, 1.5, z), (6.5, 5.5, z), (1.5, 5.5, z)] for z in (1.0, 2.0)]
    mask = write_rtstruct(tmp_path / "rs.dcm", {"GTV": square})
    for kind, name in (("PT", "pet"), ("MR", "mr")):
        write_series(tmp_path / kind, kind)
        assert wanted(Asked(tmp_path / kind, mask))[2] == preset(name).digest()
        assert wanted(Asked(tmp_path / kind, mask, preset="ct"))[2] == preset("ct").digest()


@pytest.mark.slow
def test_a_picture_of_many_regions_is_still_a_picture(tmp_path: Path) -> None:
    """A row of them all would be wider than any picture may be."""
    mask = np.zeros((2, 4, 4), dtype=bool)
    mask[1, 1:3, 1:3] = True
    draw(np.full(mask.shape, np.nan), {str(n): mask for n in range(20)}, (1.0, 1.0, 1.0), tmp_path / "p.png")
    width, height = np.frombuffer((tmp_path / "p.png").read_bytes()[16:24], ">u4")
    assert (width, height) == (6 * 440, 4 * 484)
