"""Features are computed once a region, and a bad image stops nothing."""

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from cdm.database import connect, migrate
from cdm.etl import Identity
from cdm.etl.imaging.image_feature import radiomic_name
from cdm.etl.loader.load import load
from cdm.schema import image_feature, measurement, metadata
from site_node.features.radiomics import Settings, extract_regions
from site_node.features.radiomics.presets import preset
from site_node.images.cases import VERSIONS, Chosen, choose, distinct_words
from site_node.images.feature_store import Computed, compute, failures, status
from site_node.sources.dicom import read
from site_node.sources.dicom.index import IndexedRegions
from tests.lib.dicom_files import ROOT, Contour, write_rtstruct, write_series

IDENTITY = Identity(bytes(32))
SETTINGS = Settings(families=("intensity",))


def box(low: float, high: float, z: float) -> Contour:
    return [(low, low, z), (high, low, z), (high, high, z), (low, high, z)]


GTV = [box(0.5, 5.5, 1.0), box(0.5, 5.5, 2.0)]
PTV = [box(0.5, 6.5, 1.0), box(0.5, 6.5, 2.0)]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    write_series(folder / "a")
    write_rtstruct(folder / "a.rs", {"GTV 1": GTV, "PTV": PTV})
    write_series(folder / "b", series_uid=ROOT + "1.2")
    write_rtstruct(folder / "b.rs", {"gtv": GTV}, series_uid=ROOT + "1.2", object_uid=ROOT + "2.2")
    return folder


def add(engine: Engine, folder: Path) -> None:
    load(engine, read(folder, folder.parent), "pacs", IDENTITY)


def run(engine: Engine, folder: Path, **options: object) -> Computed:
    return compute(engine, folder.parent, IDENTITY, **{"settings": SETTINGS, **options})  # type: ignore[arg-type]


def values(engine: Engine, name: str) -> list[float]:
    columns = measurement.c
    with engine.connect() as connection:
        statement = select(columns.value_as_number).where(columns.measurement_source_value == name)
        return sorted(connection.scalars(statement))


def test_every_region_is_measured_in_physical_units(engine: Engine, images: Path) -> None:
    add(engine, images)
    assert run(engine, images) == Computed(computed=3, skipped=0, failed=0, features=3 * 18)
    z, y, x = np.mgrid[1:3, 1:6, 1:6]
    hounsfield = (z * 8 + y) * 10 + x - 1000
    assert values(engine, "CT:GTV_1:none:stat_mean") == pytest.approx([hounsfield.mean()], rel=1e-12)


def test_without_settings_each_modality_has_the_engines_preset(sqlite_engine: Engine, images: Path) -> None:
    add(sqlite_engine, images)
    compute(sqlite_engine, images.parent, IDENTITY)
    columns = image_feature.c
    with sqlite_engine.connect() as connection:
        statement = select(columns.alg_system).where(columns.alg_system.startswith("shadowgraph-radiomics"))
        digests = {algorithm.split()[3] for algorithm in connection.scalars(statement)}
    assert digests == {preset("ct").digest()[:16]}


def test_what_is_computed_is_not_computed_again(sqlite_engine: Engine, images: Path) -> None:
    add(sqlite_engine, images)
    run(sqlite_engine, images)
    assert run(sqlite_engine, images) == Computed(0, 3, 0, 0)


def test_other_settings_replace_the_numbers(sqlite_engine: Engine, images: Path) -> None:
    add(sqlite_engine, images)
    run(sqlite_engine, images)
    other = Settings(families=("intensity",), standardise=True)
    assert run(sqlite_engine, images, settings=other).computed == 3
    assert values(sqlite_engine, "CT:GTV_1:none:stat_mean") == [None]  # the settings set it
    assert abs(values(sqlite_engine, "CT:GTV_1:none:stat_median")[0]) < 1


def test_fewer_families_leave_no_old_number_behind(engine: Engine, images: Path) -> None:
    add(engine, images)
    run(engine, images, settings=Settings(families=("intensity", "local_intensity")))
    run(engine, images)
    with engine.connect() as connection:
        features = measurement.c.measurement_source_value.startswith("CT:")
        assert connection.scalar(select(func.count()).where(features)) == 3 * 18


def test_a_pattern_gives_regions_one_name(sqlite_engine: Engine, images: Path) -> None:
    add(sqlite_engine, images)
    assert run(sqlite_engine, images, patterns={"GTV": "gtv*"}).computed == 2
    assert len(values(sqlite_engine, "CT:GTV:none:stat_mean")) == 2


def test_a_new_drawing_of_a_region_is_measured(sqlite_engine: Engine, images: Path) -> None:
    add(sqlite_engine, images)
    run(sqlite_engine, images, patterns={"GTV": "gtv*"})
    write_rtstruct(images / "b.rs", {"gtv": PTV}, series_uid=ROOT + "1.2", object_uid=ROOT + "2.3")
    add(sqlite_engine, images)
    assert run(sqlite_engine, images, patterns={"GTV": "gtv*"}) == Computed(1, 1, 0, 18)


def test_regions_that_come_later_from_another_folder_find_their_image(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    write_series(tmp_path / "scans")
    add(sqlite_engine, tmp_path / "scans")
    assert run(sqlite_engine, tmp_path / "scans") == Computed(0, 0, 0, 0)
    (tmp_path / "drawn").mkdir()
    write_rtstruct(tmp_path / "drawn" / "rs.dcm", {"GTV": GTV})
    add(sqlite_engine, tmp_path / "drawn")
    assert run(sqlite_engine, tmp_path / "scans") == Computed(1, 0, 0, 18)


def test_a_bad_image_does_not_stop_the_rest(sqlite_engine: Engine, images: Path) -> None:
    add(sqlite_engine, images)
    next((images / "a").iterdir()).write_bytes(b"gone bad")
    assert run(sqlite_engine, images) == Computed(computed=1, skipped=0, failed=2, features=18)
    assert [(row["code"], row["regions"]) for row in failures(sqlite_engine)] == [("dicom-not-dicom", 2)]


def test_what_was_measured_before_a_kill_is_kept(
    engine: Engine, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed_after_the_first(done: int, total: int) -> None:
        if done == 1:
            raise Killed

    monkeypatch.setattr("site_node.images.feature_store.BATCH", 1)
    add(engine, images)
    with pytest.raises(Killed):
        run(engine, images, progress=killed_after_the_first)
    again = run(engine, images)
    assert 0 < again.skipped < 3
    assert (again.computed, again.failed) == (3 - again.skipped, 0)
    assert len(values(engine, "CT:GTV_1:none:stat_mean")) == 1
    assert run(engine, images) == Computed(0, 3, 0, 0)


def test_a_mended_image_leaves_the_quarantine(sqlite_engine: Engine, images: Path) -> None:
    add(sqlite_engine, images)
    victim = next((images / "a").iterdir())
    sound = victim.read_bytes()
    victim.write_bytes(b"gone bad")
    run(sqlite_engine, images)
    victim.write_bytes(sound)
    assert run(sqlite_engine, images) == Computed(2, 1, 0, 36)
    assert failures(sqlite_engine) == []


def test_a_region_on_which_the_engine_fails_stops_no_other(
    sqlite_engine: Engine, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(image: object, masks: dict[str, object], *rest: object) -> object:
        if "PTV" in masks:
            raise ZeroDivisionError("a value of a patient")
        return extract_regions(image, masks, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("site_node.images.cases.extract_regions", failing)
    add(sqlite_engine, images)
    assert run(sqlite_engine, images) == Computed(computed=2, skipped=0, failed=1, features=36)
    assert [row["code"] for row in failures(sqlite_engine)] == ["radiomics-failed"]


def test_a_region_between_voxels_is_coded(sqlite_engine: Engine, images: Path) -> None:
    write_rtstruct(images / "a.rs", {"GTV": [box(1.2, 1.4, 1.0)]})
    add(sqlite_engine, images)
    assert run(sqlite_engine, images).failed == 1
    assert failures(sqlite_engine)[0]["code"] == "dicom-empty-region"


def test_two_regions_for_one_name_are_coded(sqlite_engine: Engine, images: Path) -> None:
    add(sqlite_engine, images)
    assert run(sqlite_engine, images, patterns={"any": "*tv*"}).failed == 1
    assert failures(sqlite_engine)[0]["code"] == "radiomics-ambiguous-region"


def test_the_newest_object_with_a_name_counts() -> None:
    old, new = (
        IndexedRegions("1.2", sop_uid, f"{sop_uid}.dcm", day, names)
        for sop_uid, day, names in [
            ("9", "2020-01-01", ("GTV", "PTV")),
            ("1", "2021-01-01", ("GTV",)),
        ]
    )
    chosen = choose([new, old], {})
    assert chosen == {"GTV": Chosen(new, "GTV"), "PTV": Chosen(old, "PTV")}


@pytest.mark.parametrize(
    ("early", "late", "is_told"),
    [
        ("", "153000", False),
        ("090000", "090000", False),
        ("090000", "153000", True),
        ("090000", "090000.5", False),
        ("0900", "153000", True),
        ("0900", "090030", False),
    ],
)
def test_of_one_day_the_time_decides_or_nothing_does(early: str, late: str, is_told: bool) -> None:
    first, second = (
        IndexedRegions("1.2", uid, "f", "2020-01-01", ("GTV",), time)
        for uid, time in (("9", early), ("1", late))
    )
    chosen = choose([second, first], {})["GTV"]
    assert chosen.fault == (None if is_told else VERSIONS)
    assert not is_told or chosen.found == second


def test_names_that_fold_into_one_stay_distinct_and_the_plain_one_plain() -> None:
    words = distinct_words(["GTV 1", "GTV_1", "GTV:1", "PTV 2"])
    assert (words["GTV_1"], words["PTV 2"]) == ("GTV_1", "PTV 2")
    assert len({radiomic_name("CT", word, "stat_mean") for word in words.values()}) == 4


@pytest.mark.slow
def test_two_processes_compute_what_one_does(sqlite_engine: Engine, images: Path, tmp_path: Path) -> None:
    add(sqlite_engine, images)
    run(sqlite_engine, images)
    other = connect(f"sqlite:///{tmp_path / 'other.sqlite'}")
    migrate(other)
    add(other, images)
    assert run(other, images, jobs=2).computed == 3
    for name in ("CT:GTV_1:none:stat_mean", "CT:PTV:none:stat_var"):
        assert values(other, name) == values(sqlite_engine, name)


def test_the_status_counts_images_regions_and_features(engine: Engine, images: Path) -> None:
    add(engine, images)
    run(engine, images)
    ct = next(row for row in status(engine) if row["modality"] == "CT")
    assert ct == {
        "modality": "CT",
        "images": 2,
        "images_with_regions": 2,
        "regions": 3,
        "images_measured": 2,
        "features": 54,
    }


def test_no_table_holds_what_the_headers_say_of_the_patient(engine: Engine, images: Path) -> None:
    """Not name, birth date, accession number, institution, comments, descriptions, private attributes."""
    add(engine, images)
    run(engine, images)
    with engine.connect() as connection:
        for name, table in metadata.tables.items():
            text = str(connection.execute(select(table)).all()).lower()
            assert "canary" not in text, name
            assert "19510307" not in text.replace("-", ""), name
