"""The listener: off by default, open to named callers alone, and what it takes ends in the CDM."""

import gc
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pydicom
import pytest
from pynetdicom import AE
from sqlalchemy import select

from cdm.database import connect
from cdm.schema import image_occurrence
from protocols.core.errors import ExitCode, InputError, ShadowgraphError
from server.main import run
from site_node.home.config import SiteConfig
from site_node.ingest.receiving import Tls, listen
from site_node.sources.pacs.messages import listening
from tests.lib.dicom_files import ROOT, SERIES, write_series
from tests.lib.pacs import OUR_TITLE, OrthancServer
from tests.lib.pem import in_pem

CT, CAPTURE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"
SUCCESS, NOT_KEPT = 0x0000, 0xB006
WAIT_S = 60.0


class Listening:
    """A listener in a thread, as `data listen` runs it in a process."""

    def __init__(self, site: SiteConfig, allowed: Sequence[str], port: int = 0) -> None:
        self._stop, self._serves, self._summary = Event(), Event(), {}
        self.port = 0

        def serves(port: int) -> None:
            self.port = port
            self._serves.set()

        def work() -> None:
            self._summary |= listen(
                site,
                "push",
                allowed,
                own_title=OUR_TITLE,
                port=port,
                quiet_s=0.2,
                stop=self._stop,
                serves=serves,
            )

        self._thread = Thread(target=work)
        self._thread.start()
        assert self._serves.wait(WAIT_S)

    def end(self, when: Callable[[], bool] = lambda: True) -> dict[str, Any]:
        """What it did, once `when` holds."""
        for _ in range(int(WAIT_S / 0.1)):
            if when():
                break
            Event().wait(0.1)
        self._stop.set()
        self._thread.join(WAIT_S)
        return self._summary


@pytest.fixture
def site(tmp_path: Path) -> SiteConfig:
    home = tmp_path / "site"
    home.mkdir()
    (home / "site.toml").write_text('name = "clinic"\n')
    return SiteConfig(name="clinic", home=home)


def send(port: int, paths: Sequence[Path], calling: str, called: str = OUR_TITLE) -> list[int] | None:
    """The statuses of C-STOREs; None where the association was refused."""
    entity = AE(calling)
    entity.add_requested_context(CT)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    if not association.is_established:
        return None
    statuses = [association.send_c_store(pydicom.dcmread(path)).Status for path in paths]
    association.release()
    return statuses


def series_in_cdm(site: SiteConfig) -> set[str]:
    engine = connect(site.database_url)
    with engine.connect() as connection:
        found = set(connection.scalars(select(image_occurrence.c.image_series_uid)))
    engine.dispose()
    return found


def test_what_is_pushed_is_loaded_when_its_study_is_quiet(site: SiteConfig, tmp_path: Path) -> None:
    listening = Listening(site, ["SCANNER"])
    assert send(listening.port, write_series(tmp_path / "ct"), "SCANNER") == [SUCCESS] * 4
    summary = listening.end(lambda: series_in_cdm(site) == {SERIES})
    assert summary == {"received": 4, "refused": 0, "studies": 1}
    assert len(list((site.home / "images").rglob("*.dcm"))) == 4


def test_a_real_pacs_can_push(site: SiteConfig, orthanc: OrthancServer, tmp_path: Path) -> None:
    orthanc.store(write_series(tmp_path / "ct"))
    (study,) = orthanc.rest.get("/studies").json()
    listening = Listening(site, ["ORTHANC"], port=orthanc.our_port)
    orthanc.rest.post("/modalities/us/store", json=[study]).raise_for_status()
    listening.end(lambda: series_in_cdm(site) == {SERIES})
    assert series_in_cdm(site) == {SERIES}


def test_strangers_and_calls_for_another_are_turned_away(site: SiteConfig, tmp_path: Path) -> None:
    listening = Listening(site, ["SCANNER"])
    paths = write_series(tmp_path / "ct")
    assert send(listening.port, paths, "STRANGER") is None
    assert send(listening.port, paths, "SCANNER", called="OTHER") is None
    assert listening.end() == {"received": 0, "refused": 0, "studies": 0}


def test_a_burned_in_image_is_answered_by_a_warning_and_not_kept(site: SiteConfig, tmp_path: Path) -> None:
    def burned_in(_: int, dataset: pydicom.Dataset) -> None:
        dataset.BurnedInAnnotation = "YES"

    listening = Listening(site, ["SCANNER"])
    paths = write_series(tmp_path / "ct", series_uid=ROOT + "1.4", change=burned_in)
    assert send(listening.port, paths, "SCANNER") == [NOT_KEPT] * 4
    assert listening.end()["refused"] == 4
    assert list((site.home / "images").rglob("*.dcm")) == []


def test_screenshots_are_not_even_accepted(site: SiteConfig) -> None:
    listening = Listening(site, ["SCANNER"])
    entity = AE("SCANNER")
    entity.add_requested_context(CAPTURE)
    assert not entity.associate("127.0.0.1", listening.port, ae_title=OUR_TITLE).is_established
    listening.end()


def test_nobody_may_send_by_default(site: SiteConfig) -> None:
    with pytest.raises(ShadowgraphError):
        listen(site, "push", [], port=0, stop=Event())
    assert run(["data", "listen", "--home", str(site.home)], as_json=True) == ExitCode.REFUSED


def test_a_listener_with_a_certificate_speaks_tls_alone(site: SiteConfig, tmp_path: Path) -> None:
    certificate, key = in_pem(tmp_path)
    own = ssl.create_default_context(cafile=str(certificate))
    own.check_hostname = False
    with listening(
        OUR_TITLE, "", 0, ["SCANNER"], lambda data: None, Tls(certificate, key).context()
    ) as server:
        entity, port = AE("SCANNER"), server.server_address[1]
        entity.add_requested_context(CT)
        plain = entity.associate("127.0.0.1", port, ae_title=OUR_TITLE)
        assert not plain.is_established
        sealed = entity.associate("127.0.0.1", port, ae_title=OUR_TITLE, tls_args=(own, "localhost"))
        assert sealed.is_established
        sealed.release()


# pynetdicom leaves the socket of a handshake that failed to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_listener_with_an_authority_wants_a_certificate_of_it(site: SiteConfig, tmp_path: Path) -> None:
    certificate, key = in_pem(tmp_path)
    tls = Tls(certificate, key, authority=certificate).context()
    stranger, known = (ssl.create_default_context(cafile=str(certificate)) for _ in range(2))
    stranger.check_hostname = known.check_hostname = False
    known.load_cert_chain(certificate, key)
    with listening(OUR_TITLE, "", 0, ["SCANNER"], lambda data: None, tls) as server:
        entity = AE("SCANNER")
        entity.add_requested_context(CT)
        for context, is_let_in in ((stranger, False), (known, True)):
            association = entity.associate(
                "127.0.0.1", server.server_address[1], ae_title=OUR_TITLE, tls_args=(context, "localhost")
            )
            assert association.is_established is is_let_in
            association.release()
    gc.collect()


def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    _, key = in_pem(tmp_path)
    with pytest.raises(InputError, match=r"listener\.key"):
        Tls(certificate=key, key=key).context()
    with pytest.raises(InputError, match=r"absent\.pem"):
        Tls(tmp_path / "absent.pem", key).context()
