"""Headers are sealed with the site's key, and what an earlier version sealed is still read."""

import secrets
from pathlib import Path

import orjson
import pytest

from site_node.sources.dicom.faults import Fault
from site_node.sources.dicom.headers import read_header
from site_node.sources.pacs.seal import NONCE_BYTES, Seal
from tests.lib.dicom_files import write_rtstruct, write_series

SQUARE = [(1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (5.0, 5.0, 1.0), (1.0, 5.0, 1.0)]


def test_a_header_comes_back_as_it_was(tmp_path: Path) -> None:
    seal = Seal(b"k" * 32)
    for path in [*write_series(tmp_path / "a"), write_rtstruct(tmp_path / "rs.dcm", {"GTV": [SQUARE]})]:
        header = read_header(path, tmp_path)
        assert header is not None
        assert seal.open(seal.close(header)) == header


@pytest.mark.parametrize(("rescaled", "fault"), [(True, None), (False, Fault.MISSING_RESCALE)])
def test_a_header_of_before_faults_is_read(tmp_path: Path, rescaled: bool, fault: Fault | None) -> None:
    seal = Seal(b"k" * 32)
    header = read_header(write_series(tmp_path)[0], tmp_path)
    old = {**orjson.loads(orjson.dumps(header)), "rescaled": rescaled}
    for name in ("fault", "drawn_at"):
        del old[name]
    for one in old["slices"]:
        del one["frame_of_reference"]
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = nonce + seal._cipher.encrypt(nonce, orjson.dumps(old), None)
    assert seal.open(sealed).fault is fault
