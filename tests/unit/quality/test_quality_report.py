"""The quality of a site as data and as a page, on an empty CDM and from load to load."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from cdm.database import upsert, writing
from cdm.linkage import funnel
from cdm.quality import CHECK_TYPES
from cdm.schema import (
    condition_occurrence,
    genomic_test,
    image_feature,
    image_occurrence,
    measurement,
    observation_period,
    person,
)
from protocols.core.errors import ExitCode, InputError
from server.main import run
from site_node.home.cdm import open_cdm
from site_node.home.config import load
from site_node.quality import assess
from site_node.quality.page import write_page
from tests.lib.sites import Coordinator, make_site
from tests.unit.cdm.test_quality import CONDITION, FEATURE, PERIOD, PERSON


@pytest.fixture
def home(tmp_path: Path) -> Path:
    make_site(tmp_path / "site", "oslo", Coordinator())
    return tmp_path / "site"


def add(home: Path, *people: int, **changes: object) -> None:
    """Adds people with a diagnosis."""
    engine = open_cdm(load(home))
    with writing(engine) as connection:
        for n in people:
            upsert(connection, person, [{**PERSON, "person_id": n}])
            upsert(connection, observation_period, [{**PERIOD, "person_id": n, "observation_period_id": n}])
            diagnosis = {**CONDITION, "person_id": n, "condition_occurrence_id": n, **changes}
            upsert(connection, condition_occurrence, [diagnosis])
    engine.dispose()


def test_an_empty_cdm_has_a_page(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = home / "quality.html"
    assert run(["data", "quality", "--html", str(page), "--home", str(home)], as_json=True) == ExitCode.DONE
    said = json.loads(capsys.readouterr().out)
    assert said["failed"] == 0
    assert said["linkage"]["people"] == 0
    assert "all" in page.read_text()


def test_what_failed_stands_with_its_share_and_what_to_do(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(home, 1, 2, 3)
    add(home, 4, condition_concept_id=0)
    assert run(["data", "quality", "--home", str(home)], as_json=True) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)["findings"]
    unmapped = next(one for one in found if one["where"] == "condition_occurrence.condition_concept_id")
    assert (unmapped["check"], unmapped["violations"], unmapped["rows"], unmapped["share"]) == (
        "standardConceptRecordCompleteness",
        1,
        4,
        0.25,
    )
    assert "data unmapped" in unmapped["fix"]


def test_the_page_stands_alone_and_tells_every_check_type(home: Path) -> None:
    add(home, 1, condition_concept_id=0)
    engine = open_cdm(load(home))
    write_page(assess(engine, "<b>oslo</b>", home), home / "page.html")
    engine.dispose()
    page = (home / "page.html").read_text()
    assert not re.search(r"<script|<img|<link|https?://|<b>oslo", page)
    asked = set(re.findall(r"<summary><code>(\w+)</code>", page))
    assert len(asked) >= 15
    assert asked <= set(CHECK_TYPES)
    assert "run the" not in page
    assert "<code>data unmapped</code>" in page


def test_a_load_shows_what_it_broke(home: Path) -> None:
    engine = open_cdm(load(home))
    add(home, 1)
    assess(engine, "oslo", home, lambda: datetime(2026, 11, 1))
    add(home, 2, condition_concept_id=0)
    later = assess(engine, "oslo", home, lambda: datetime(2026, 11, 2))
    engine.dispose()
    assert len(later.runs) == 2
    broken = ("standardConceptRecordCompleteness", "condition_occurrence", "condition_concept_id", "")
    assert later.change.broken == [broken]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("[tolerated]\nnoSuchCheck = 0.1", "no check noSuchCheck"),
        ("[tolerated]\nisRequired = 2", "a share from 0 to 1"),
        ("[tolerated", "not TOML"),
    ],
)
def test_a_threshold_that_means_nothing_is_refused(home: Path, content: str, fault: str) -> None:
    (home / "quality.toml").write_text(content)
    engine = open_cdm(load(home))
    with pytest.raises(InputError, match=fault):
        assess(engine, "oslo", home)
    engine.dispose()


def test_a_site_tolerates_more(home: Path) -> None:
    add(home, 1, condition_concept_id=0)
    (home / "quality.toml").write_text("[tolerated]\nstandardConceptRecordCompleteness = 1.0\n")
    engine = open_cdm(load(home))
    failing = assess(engine, "oslo", home).failing()
    engine.dispose()
    assert "standardConceptRecordCompleteness" not in {one.name for one in failing}


def test_the_funnel_counts_people_by_what_there_is_of_them(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(home, 1, 2)
    engine = open_cdm(load(home))
    with writing(engine) as connection:
        upsert(connection, person, [{**PERSON, "person_id": 3}])
        for n in (1, 3):
            upsert(connection, image_occurrence, [an_image(n)])
        upsert(connection, measurement, [{**FEATURE, "person_id": 3}])
        upsert(connection, image_feature, [a_feature(3)])
        for n in (1, 2):
            test = {"genomic_test_id": n, "person_id": n}
            needed = {c.name: "x" for c in genomic_test.c if not c.nullable and c.name not in test}
            upsert(connection, genomic_test, [{**needed, **test}])
    counts = funnel(engine)
    engine.dispose()
    assert counts == {
        "people": 3,
        "clinical": 2,
        "imaging": 2,
        "image features": 1,
        "genomic": 2,
        "clinical and imaging": 1,
        "clinical and genomic": 2,
        "imaging and genomic": 1,
        "clinical, imaging and genomic": 1,
    }
    assert run(["data", "linkage", "--home", str(home)], as_json=True) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["people"]["clinical, imaging and genomic"] == 1


def an_image(n: int) -> dict[str, object]:
    numbers = {c.name: n for c in image_occurrence.c if not c.nullable}
    day = {"image_occurrence_date": datetime(2020, 5, 1).date()}
    words = {"image_study_uid": "1.2", "image_series_uid": "1.2.3"}
    return {**numbers, **{k: v for k, v in {**day, **words}.items() if k in image_occurrence.c}}


def a_feature(n: int) -> dict[str, object]:
    numbers = {c.name: n for c in image_feature.c if not c.nullable}
    return {**numbers, "person_id": n, "image_feature_event_id": 7}
