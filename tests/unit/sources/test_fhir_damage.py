"""Damaged FHIR files: cut off, flipped, nested too deep: none stops a load, and what is whole is loaded."""

import gzip
import json
import random
import tracemalloc
from pathlib import Path

import pytest
from sqlalchemy import Engine

from cdm.etl import Identity
from cdm.etl.loader.load import load
from site_node.sources.fhir import read

IDENTITY = Identity(b"a site's secret")
CASES = Path(__file__).parents[1] / "etl"
A_FOLDER = 100


def sound_lines() -> list[bytes]:
    """The resources of the mappers' test cases, each with an id of its own."""
    resources = [
        resource
        for path in sorted(CASES.glob("*.in.json"))
        for resource in json.loads(path.read_text()).values()
    ]
    return [json.dumps({**one, "id": f"r{number}"}).encode() for number, one in enumerate(resources)]


def damaged(lines: list[bytes], chance: random.Random) -> bytes:
    """A file of some lines with one of many faults."""
    chosen = chance.sample(lines, 5)
    content = b"\n".join(chosen) + b"\n"
    place = chance.randrange(len(content))
    match chance.randrange(9):
        case 0:
            return content[:place]
        case 1:
            return gzip.compress(content)[: chance.randrange(1, 400)]
        case 2:
            return content[:place] + bytes(chance.randrange(256) for _ in range(20)) + content[place:]
        case 3:
            flipped = bytearray(content)
            for _ in range(10):
                flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
            return bytes(flipped)
        case 4:
            return content.replace(b'"resourceType"', b'"resourcetype"', 1)
        case 5:
            deep = b'{"a":' * 900 + b"1" + b"}" * 900
            return content.replace(b'"id":', b'"text": ' + deep + b', "id":', 1)
        case 6:
            return gzip.compress(content) + b"trailing"
        case 7:
            entries = b",".join(b'{"resource":' + one + b"}" for one in chosen)
            bundle = b'{"resourceType":"Bundle","type":"batch","entry":[' + entries + b"]}"
            return bundle[: chance.choice((len(bundle), place))]
        case _:
            return b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")


def load_damaged(engine: Engine, folder: Path, seed: int) -> None:
    chance = random.Random(seed)
    lines = sound_lines()
    for number in range(A_FOLDER):
        ending = chance.choice(("ndjson", "ndjson.gz", "json"))
        (folder / f"f{number}.{ending}").write_bytes(damaged(lines, chance))
    (folder / "whole.ndjson").write_bytes(b"\n".join(lines))
    summary = load(engine, read(folder), "fhir", IDENTITY)
    whole = [one for one in read(folder / "whole.ndjson")]
    seen = sum(counts.loaded + counts.replaced + counts.unchanged for counts in summary.kinds.values())
    assert seen > len(whole) / 2
    assert summary.quarantined > 10
    again = load(engine, read(folder), "fhir", IDENTITY)
    assert (again.records, again.quarantined) == (summary.records, summary.quarantined)


def test_a_hundred_damaged_files_are_loaded_as_far_as_they_are_whole(engine: Engine, tmp_path: Path) -> None:
    load_damaged(engine, tmp_path, seed=1)


@pytest.mark.slow
def test_a_gzip_bomb_takes_no_memory_and_hides_nothing(tmp_path: Path) -> None:
    bomb = gzip.compress(b"0" * (256 << 20) + b"\n" + sound_lines()[0] + b"\n", 1)
    (tmp_path / "Patient.ndjson.gz").write_bytes(bomb)
    (tmp_path / "bundle.json.gz").write_bytes(gzip.compress(b"[" * (100 << 20), 1))
    tracemalloc.start()
    found = list(read(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [getattr(one, "code", "") for one in found] == ["too-long", "", "too-long"]
    assert peak < 300 << 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_two_thousand_damaged_files(sqlite_engine: Engine, tmp_path: Path, seed: int) -> None:
    load_damaged(sqlite_engine, tmp_path, seed)
