"""What is installed, compared with the record of its wheel."""

import base64
import hashlib
from pathlib import Path

from protocols.runtime.installed import Installed, installed
from server.administration.machine import machine

CODE = b"x = 1\n"


def an_installation(folder: Path) -> Path:
    """A distribution as an installer lays it out, with one module."""
    package, record = folder / "cdm", folder / "shadowgraph-1.0.dist-info"
    package.mkdir()
    record.mkdir()
    (package / "days.py").write_bytes(CODE)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: shadowgraph\nVersion: 1.0\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(CODE).digest()).rstrip(b"=").decode()
    lines = (f"cdm/days.py,sha256={digest},{len(CODE)}", "shadowgraph-1.0.dist-info/RECORD,,")
    (record / "RECORD").write_text("\n".join(lines) + "\n")
    return folder


def test_what_was_built_is_found_whole(tmp_path: Path) -> None:
    assert installed([an_installation(tmp_path)]) == Installed(1, (), ())


def test_a_changed_a_missing_and_an_added_file_are_named(tmp_path: Path) -> None:
    site = an_installation(tmp_path)
    (site / "cdm" / "days.py").write_bytes(CODE + b"\n")
    (site / "cdm" / "nights.py").touch()
    assert installed([site]) == Installed(1, ("cdm/days.py",), ("cdm/nights.py",))
    (site / "cdm" / "days.py").unlink()
    assert installed([site]).changed == ("cdm/days.py",)


def test_doctor_says_that_this_is_a_checkout() -> None:
    (found,) = [check for check in machine() if check.what == "installed files"]
    assert (found.found, found.is_well) == ("a source checkout", True)
