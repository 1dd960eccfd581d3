"""What a site or a center is made of: `python deploy/release/parts.py lock` prints it.

`requirements.lock` holds what develops and tests Shadowgraph too; an image and a bundle take what the package
needs, with the same versions and hashes (`lock`). The bill of materials (`sbom`) is CycloneDX 1.6, made of
the lock alone, so that the same lock gives the same file.
"""

import hashlib
import json
import re
import sys
from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"
NAME = "shadowgraph"
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
EXTRAS = ("site", "center", "postgresql", "dicom")
Pinned = dict[str, list[str]]
"""Canonical name -> its lines in the lock, the first of them `name==version ...`."""


def pinned(lock: Path = LOCK) -> Pinned:
    """Every package of the lock with its lines."""
    found: Pinned = {}
    name = ""
    for line in lock.read_text().splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            name = canonicalize_name(Requirement(line.rstrip(" \\")).name)
        if name and not line.lstrip().startswith("#"):
            found.setdefault(name, []).append(line)
    return found


def needed(extras: Collection[str] = EXTRAS) -> set[str]:
    """The canonical names of all that the installed package needs here, with these of its extras.

    Raises:
        PackageNotFoundError: something that it needs is not installed.
    """
    found: set[str] = set()
    waiting = [(NAME, frozenset(extras))]
    while waiting:
        name, wanted = waiting.pop()
        for one in _requirements(name, wanted):
            key = canonicalize_name(one.name)
            if key not in found:
                found.add(key)
                waiting.append((key, frozenset(one.extras)))
    return found - {NAME}


def runtime_lock(extras: Collection[str] = EXTRAS) -> str:
    """The lines of the lock for what is needed.

    Raises:
        KeyError: something that is needed is not in the lock.
    """
    lines, names = pinned(), sorted(needed(extras))
    return "".join(line + "\n" for name in names for line in lines[name])


def wheel_lock(folder: Path) -> str:
    """A requirement with its hash for every wheel of a folder."""
    lines = []
    for wheel in sorted(folder.glob("*.whl")):
        name, version_of = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        lines.append(f"{name}=={version_of} --hash=sha256:{digest}\n")
    return "".join(lines)


def _requirements(name: str, extras: Collection[str]) -> Iterator[Requirement]:
    try:
        said = distribution(name).requires or ()
    except PackageNotFoundError:
        raise PackageNotFoundError(f"{name} is needed and not installed here") from None
    for text in said:
        one = Requirement(text)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield one


def sbom(extras: tuple[str, ...] = EXTRAS) -> dict[str, object]:
    """The bill: the package, and each locked package that it needs with the SHA-256 of each of its files."""
    lines = pinned()
    parts = [_component(lines[name]) for name in sorted(needed(extras))]
    about = {"type": "application", "bom-ref": NAME, "name": NAME, "version": version(NAME)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**about, "licenses": [{"license": {"id": "Apache-2.0"}}]}},
        "components": parts,
        "dependencies": [{"ref": NAME, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _component(lines: list[str]) -> dict[str, object]:
    said = Requirement(lines[0].partition(" \\")[0])
    (pin,) = said.specifier
    purl = f"pkg:pypi/{said.name.lower()}@{pin.version}"
    hashes = _HASH.findall("\n".join(lines))
    files = [
        {"type": "distribution", "url": purl, "hashes": [{"alg": "SHA-256", "content": h}]} for h in hashes
    ]
    about = {"type": "library", "bom-ref": purl, "name": said.name, "version": pin.version, "purl": purl}
    return {**about, "externalReferences": files}


if __name__ == "__main__":
    printed = {
        "lock": runtime_lock,
        "sbom": lambda: json.dumps(sbom(), indent=1) + "\n",
        "wheels": lambda: wheel_lock(Path(sys.argv[2])),
    }
    sys.stdout.write(printed[sys.argv[1]]())
