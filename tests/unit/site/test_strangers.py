"""A source whose ids are of another kind is not loaded in silence: its people are nobody's patients here."""

import json
from pathlib import Path

import pytest

from site_node.actions import loads
from site_node.actions.loads import Loaded
from site_node.administration.setup import make_site


def scores(home: Path, *patients: str) -> Loaded:
    """What became of a reader's scores of these people."""
    file = home / "scores.csv"
    file.write_text("patient,vasari_f5\n" + "".join(f"{one},3\n" for one in patients))
    *_, done = loads.add_image_features(home, file)
    assert isinstance(done, Loaded)
    return done


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A site with three patients."""
    home = make_site(tmp_path / "oslo", "oslo", runtime_port=0).home
    lines = [
        {"resourceType": "Patient", "id": f"p{n}", "gender": "female", "birthDate": "1970"} for n in range(3)
    ]
    (tmp_path / "Patient.ndjson").write_text("\n".join(map(json.dumps, lines)))
    *_, _done = loads.add_fhir(home, str(tmp_path))
    return home


def test_people_who_are_patients_here_are_no_strangers(home: Path) -> None:
    done = scores(home, "p0", "p1", "p2")
    assert (done.strangers, done.partial) == (0, False)


def test_a_few_strangers_are_counted(home: Path) -> None:
    done = scores(home, "p0", "p1", "x9")
    assert (done.strangers, done.partial) == (1, False)


def test_a_source_of_strangers_is_loaded_in_part(home: Path) -> None:
    done = scores(home, "TCGA-01", "TCGA-02", "p0")
    assert (done.strangers, done.partial) == (2, True)


def test_before_the_first_patient_nobody_is_a_stranger(tmp_path: Path) -> None:
    home = make_site(tmp_path / "oslo", "oslo", runtime_port=0).home
    assert scores(home, "TCGA-01").strangers == 0
