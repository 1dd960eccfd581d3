"""What a command says to people: whole words in 80 columns, hashes to their end; to machines: JSON."""

import importlib.metadata
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from protocols.runtime.output import plain
from server.main import _print, run


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


LOAD = {
    "source": "fhir",
    "started": "2026-11-26T22:00:01+00:00",
    "status": "done",
    **{"loaded": 844, "unchanged": 0, "replaced": 0, "removed": 0, "quarantined": 1, "not_mapped_yet": 0},
    "excluded": {"status preliminary": 1},
}


def test_a_table_that_is_too_wide_leaves_out_what_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    _print([LOAD, LOAD | {"source": "genomics", "quarantined": 0}], as_json=False)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    for word in ("source", "genomics", "2026-11-26 22:00", "quarantined", "preliminary:"):
        assert word in said
    assert "none: unchanged, replaced, removed, not mapped yet" in said


def test_a_table_that_fits_shows_its_zeros(capsys: pytest.CaptureFixture[str]) -> None:
    _print([{"loaded": 5, "quarantined": 0}], as_json=False)
    said = capsys.readouterr().out
    assert "quarantined" in said
    assert "none:" not in said


def test_where_words_do_not_fit_the_longest_are_broken(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"study": "query-ffc43226", "title": "Survival and IDH1 in lower-grade glioma", "state": "done"}
    more = {"code": "too-few-sites", "sites": "bergen, oslo, tromso", "submitted": "2026-11-26 22:10"}
    _print([row | more | {"run": "043f90017c744ecb", "hash": "a6701fe4f9cac808"}], as_json=False)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    for word in ("state", "bergen,", "Survival", "submitted"):
        assert word in said
    for piece in (
        "043f90017",
        "c744ecb",
        "a6701fe4f",
        "9cac808",
        "too-few-",
    ):  # broken, and nothing is cut off
        assert piece in said


@pytest.mark.parametrize("words", [[], ["study"], ["network", "account"]])
def test_a_group_without_a_verb_is_an_error_to_a_machine(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(words, as_json=True) == 2
    assert "command" in json.loads(capsys.readouterr().out)["text"]
    assert run(words, as_json=False) in (0, 2)
    said = capsys.readouterr()
    assert "Usage" in said.out + said.err


def test_a_mistyped_verb_is_guessed_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "list"], as_json=False) == 2
    assert capsys.readouterr().err.count("Did you mean") == 1


def test_a_hash_is_shown_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    _print({"what would leave": "-", "hash": "0123456789abcdef" * 4}, as_json=False)
    assert "0123456789abcdef" * 4 in "".join(capsys.readouterr().out.split())


def test_machines_get_everything(capsys: pytest.CaptureFixture[str]) -> None:
    _print([LOAD], as_json=True)
    assert json.loads(capsys.readouterr().out) == [LOAD]


class _Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class _Part:
    at: datetime
    colour: _Colour


@dataclass(frozen=True)
class _Whole:
    schema_version: int
    parts: tuple[_Part, ...]
    path: Path
    sizes: dict[int, float | None]


def test_arrays_of_any_shape_and_kind_are_plain_json() -> None:
    held = {"sum": np.array(2.5), "people": np.array([12, 3]), "one": np.int64(7), "none": np.zeros((0, 2))}
    assert json.dumps(plain(held)) == '{"sum": 2.5, "people": [12, 3], "one": 7, "none": []}'


def test_a_dataclass_is_plain_json_in_the_order_of_its_fields() -> None:
    whole = _Whole(1, (_Part(datetime(2026, 11, 30, 9, tzinfo=UTC), _Colour.RED),), Path("a/b"), {1: None})
    assert json.dumps(plain(whole)) == (
        '{"schema_version": 1, "parts": [{"at": "2026-11-30T09:00:00+00:00", "colour": "red"}],'
        ' "path": "a/b", "sizes": {"1": null}}'
    )


def test_what_json_has_no_form_for_is_refused_and_not_quoted() -> None:
    with pytest.raises(TypeError, match="a bytes has no form"):
        plain({"key": b"secret"})


def test_the_version_is_told_to_people_and_machines(capsys: pytest.CaptureFixture[str]) -> None:
    version = importlib.metadata.version("shadowgraph")
    assert run(["--version"], as_json=False) == 0
    assert version in capsys.readouterr().out
    assert run(["--version"], as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["version"] == version


def test_the_help_loads_no_library_that_only_a_verb_needs() -> None:
    """What keeps `shadowgraph --help` at a sixth of a second."""
    program = "import sys; from server.main import run; run(['--help'], False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "typer" in loaded
    assert not loaded & {"numpy", "pandas", "sqlalchemy", "flwr", "grpc", "pydicom", "pydantic", "matplotlib"}
