"""Pulls from a real Orthanc, in each of the languages that it speaks, into a site's CDM."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from cdm.database import connect
from cdm.etl.loader.sync_position import position_of
from cdm.schema import image_occurrence, metadata, procedure_occurrence, quarantine
from protocols.core.errors import Code, ExitCode, ShadowgraphError, UnreachableError
from server.main import run
from site_node.home.config import SiteConfig
from site_node.images.series import load_series
from site_node.ingest.receiving import pacs_at, pull
from site_node.sources.dicom.index import read_index
from site_node.sources.pacs import Pacs, RemoteInstance, RemoteStudy
from site_node.sources.pacs.pull import TransferError
from site_node.sources.regions import read_regions
from tests.lib.dicom_files import ROOT, SERIES, STUDY, write_rtstruct, write_series
from tests.lib.pacs import OUR_TITLE, TITLE, OrthancServer

SQUARE = [(1.0, 1.0, 1.0), (5.0, 1.0, 1.0), (5.0, 5.0, 1.0), (1.0, 5.0, 1.0)]
WAYS: dict[str, Callable[[OrthancServer], Pacs]] = {
    "dicomweb": lambda server: pacs_at(server.dicomweb),
    "orthanc": lambda server: pacs_at(server.url, orthanc=True),
    "c-get": lambda server: pacs_at(f"{TITLE}@127.0.0.1:{server.dicom_port}", own_title=OUR_TITLE),
    "c-move": lambda server: pacs_at(
        f"{TITLE}@127.0.0.1:{server.dicom_port}", own_title=OUR_TITLE, move_port=server.our_port
    ),
}
every_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def site(tmp_path: Path) -> SiteConfig:
    home = tmp_path / "site"
    home.mkdir()
    (home / "site.toml").write_text('name = "clinic"\n')
    return SiteConfig(name="clinic", home=home)


@pytest.fixture
def stored(orthanc: OrthancServer, tmp_path: Path) -> OrthancServer:
    """A CT of four slices with a region, and a screenshot and a report that the site cannot use."""
    orthanc.store(write_series(tmp_path / "ct"))
    orthanc.store([write_rtstruct(tmp_path / "rs.dcm", {"GTV": [SQUARE], "of CANARY": [SQUARE]})])
    orthanc.store(write_series(tmp_path / "shot", series_uid=ROOT + "5", change=screenshot))
    return orthanc


def screenshot(_: int, dataset: Dataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.Modality = "OT"


def another_study(_: int, dataset: Dataset) -> None:
    dataset.StudyInstanceUID, dataset.PatientID = ROOT + "7", "P-0043"
    dataset.StudyDate = "20240401"


def counts(summary: dict[str, Any]) -> dict[str, int]:
    return {kind: of["loaded"] + of["replaced"] for kind, of in summary["kinds"].items()}


@every_way
def test_what_a_pacs_has_comes_into_the_cdm(site: SiteConfig, stored: OrthancServer, way: str) -> None:
    summary = pull(site, WAYS[way](stored), "pacs", None, lambda count: None)
    assert summary["received"] == 5  # the screenshot is not even asked for
    assert counts(summary) == {"DicomStudy": 1, "DicomSeries": 1, "DicomRegions": 1}
    engine = connect(site.database_url)
    with engine.connect() as connection:
        uids = set(connection.scalars(select(image_occurrence.c.image_series_uid)))
    assert uids == {SERIES, ROOT + "2"}  # as FHIR's ImagingStudy names them
    engine.dispose()


@pytest.mark.slow
@every_way
def test_a_second_pull_brings_what_is_new_and_nothing_else(
    site: SiteConfig, stored: OrthancServer, tmp_path: Path, way: str
) -> None:
    pull(site, WAYS[way](stored), "pacs", None, lambda count: None)
    again = pull(site, WAYS[way](stored), "pacs", None, lambda count: None)
    assert (again["received"], sum(counts(again).values())) == (0, 0)
    stored.store(write_series(tmp_path / "new", "MR", series_uid=ROOT + "1.8", change=another_study))
    new = pull(site, WAYS[way](stored), "pacs", None, lambda count: None)
    assert new["received"] == 4
    assert counts(new) == {"DicomStudy": 1, "DicomSeries": 1}


@pytest.mark.slow
@every_way
def test_only_the_missing_slices_of_a_series_are_fetched(
    site: SiteConfig, orthanc: OrthancServer, tmp_path: Path, way: str
) -> None:
    paths = write_series(tmp_path / "ct")
    orthanc.store(paths[1:])
    assert pull(site, WAYS[way](orthanc), "pacs", "", lambda count: None)["received"] == 3
    orthanc.store(paths[:1])
    late = pull(site, WAYS[way](orthanc), "pacs", "", lambda count: None)
    assert late["received"] == 1
    assert late["kinds"]["DicomSeries"]["replaced"] == 1
    assert len(read_index(site.home).series[SERIES].files) == 4


def test_what_is_stored_names_nobody_and_can_be_measured(
    site: SiteConfig, stored: OrthancServer, tmp_path: Path
) -> None:
    pull(site, WAYS["dicomweb"](stored), "pacs", None, lambda count: None)
    files = [path for path in (site.home / "images").rglob("*") if path.is_file() and path.suffix != ".json"]
    for path in files:
        content = path.read_bytes().lower()
        assert b"canary" not in content
        assert b"p-0042" not in content
        assert SERIES.encode() not in content
        assert path.stat().st_mode & 0o077 == 0
    index = read_index(site.home)
    image = load_series([Path(file) for file in index.series[SERIES].files])
    original = load_series(sorted((tmp_path / "ct").iterdir()))
    np.testing.assert_array_equal(image.array, original.array)
    (regions,) = index.regions[SERIES]
    assert regions.names == ("GTV", "region-2")
    masks = read_regions(Path(regions.file), image.grid)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {"GTV": 16, "region-2": 16}


def test_the_patient_is_the_one_that_fhir_names(site: SiteConfig, stored: OrthancServer) -> None:
    from site_node.home.identity import site_identity

    pull(site, WAYS["dicomweb"](stored), "pacs", None, lambda count: None)
    engine = connect(site.database_url)
    with engine.connect() as connection:
        (person,) = connection.scalars(select(procedure_occurrence.c.person_id))
        assert person == site_identity(site).person_id("fhir", "P-0042")
        for table in metadata.tables.values():
            if table.name != "person_link":
                assert "canary" not in str(connection.execute(select(table)).all()).lower(), table.name
    engine.dispose()


class Breaks:
    """A PACS whose line breaks: after so many objects, as an error or as the end of our process."""

    def __init__(self, pacs: Pacs, after: int, error: type[BaseException]) -> None:
        self._pacs, self._left, self._error = pacs, after, error

    def studies(self, position: str) -> Iterator[RemoteStudy]:
        yield from self._pacs.studies(position)

    def instances(self, study: RemoteStudy) -> Iterator[RemoteInstance]:
        yield from self._pacs.instances(study)

    def fetch(self, instances: Sequence[RemoteInstance]) -> Iterator[bytes]:
        for data in self._pacs.fetch(instances):
            if self._left == 0:
                raise self._error
            self._left -= 1
            yield data

    def close(self) -> None:
        self._pacs.close()


@pytest.mark.parametrize("way", ["dicomweb", "orthanc"])
@pytest.mark.parametrize("after", [0, 3, 5, 8])
def test_a_pull_killed_at_any_moment_is_finished_by_the_next(
    site: SiteConfig, stored: OrthancServer, tmp_path: Path, way: str, after: int
) -> None:
    stored.store(write_series(tmp_path / "new", "MR", series_uid=ROOT + "1.8", change=another_study))
    with pytest.raises(KeyboardInterrupt):
        pull(site, Breaks(WAYS[way](stored), after, KeyboardInterrupt), "pacs", None, lambda count: None)
    rest = pull(site, WAYS[way](stored), "pacs", None, lambda count: None)
    assert rest["received"] == 9 - after
    assert {uid: len(s.files) for uid, s in read_index(site.home).series.items()} == {
        SERIES: 4,
        ROOT + "1.8": 4,
    }
    engine = connect(site.database_url)
    with engine.connect() as connection:
        assert len(connection.execute(select(image_occurrence)).all()) == 3
    engine.dispose()


def test_a_study_that_did_not_come_whole_holds_the_position_and_is_told(
    site: SiteConfig, stored: OrthancServer, tmp_path: Path
) -> None:
    stored.store(write_series(tmp_path / "new", "MR", series_uid=ROOT + "1.8", change=another_study))
    broken = Breaks(WAYS["orthanc"](stored), 2, TransferError)
    summary = pull(site, broken, "pacs", None, lambda count: None)
    assert summary["position"] == ""
    assert summary["kinds"]["DicomStudy"]["quarantined"] == 2
    whole = pull(site, WAYS["orthanc"](stored), "pacs", None, lambda count: None)
    assert whole["position"] != ""
    engine = connect(site.database_url)
    with engine.connect() as connection:
        open_rows = connection.execute(select(quarantine).where(quarantine.c.resolved.is_(False))).all()
        assert open_rows == []
    assert position_of(engine, "pacs") == whole["position"]
    engine.dispose()


def test_a_burned_in_image_is_not_stored_and_not_asked_for_twice(
    site: SiteConfig, orthanc: OrthancServer, tmp_path: Path
) -> None:
    def burned_in(_: int, dataset: Dataset) -> None:
        dataset.BurnedInAnnotation = "YES"

    orthanc.store(write_series(tmp_path / "ct", change=burned_in))
    summary = pull(site, WAYS["dicomweb"](orthanc), "pacs", None, lambda count: None)
    assert summary["kinds"]["DicomFile"]["quarantined"] == 4
    assert list((site.home / "images").rglob("*.dcm")) == []
    assert pull(site, WAYS["dicomweb"](orthanc), "pacs", None, lambda count: None)["received"] == 0


# pynetdicom 3.0 does not close the socket of a connection that was refused
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("address", ["http://127.0.0.1:9/dicom-web", "PACS@127.0.0.1:9"])
def test_a_pacs_that_does_not_answer_is_told_by_a_code(site: SiteConfig, address: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        pull(site, pacs_at(address), "pacs", None, lambda count: None)
    assert caught.value.code is Code.SOURCE_UNREACHABLE


@pytest.mark.parametrize(
    "address", ["PACS@host", "PACS@host:0", "PACS@host:99999", "ftp://x", "A" * 17 + "@h:104"]
)
def test_an_address_that_names_no_pacs_is_refused(address: str) -> None:
    with pytest.raises(ShadowgraphError):
        pacs_at(address)


def test_a_name_is_never_a_path(site: SiteConfig) -> None:
    with pytest.raises(ShadowgraphError):
        pull(site, pacs_at("PACS@127.0.0.1:9"), "../../etc", None, lambda count: None)


def test_the_command_pulls_and_goes_on(
    site: SiteConfig, stored: OrthancServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", "add", "dicom", stored.dicomweb, "--home", str(site.home)]
    assert run(words, as_json=True) == ExitCode.DONE
    printed = capsys.readouterr()
    assert json.loads(printed.out)["received"] == 5
    assert "canary" not in (printed.out + printed.err).lower()
    assert run([*words, "--since", "all"], as_json=True) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["received"] == 0
    assert run([*words, "--orthanc", "--since", "2024-01-01"], as_json=True) == ExitCode.INVALID_INPUT


def test_files_are_as_large_as_they_were(site: SiteConfig, stored: OrthancServer, tmp_path: Path) -> None:
    pull(site, WAYS["c-get"](stored), "pacs", None, lambda count: None)
    for file in read_index(site.home).series[SERIES].files:
        copy = pydicom.dcmread(file)
        assert copy.StudyInstanceUID != STUDY
        assert len(copy.PixelData) == 160
