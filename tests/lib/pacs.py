"""A real PACS for the tests: Orthanc with DICOMweb on free loopback ports, its storage in memory."""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

PROGRAM = Path("/usr/sbin/Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
MEMORY = Path("/dev/shm")
TITLE, OUR_TITLE = "ORTHANC", "SHADOWGRAPH"
READY_S = 30.0


def free_port() -> int:
    """A TCP port on loopback that is free now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class OrthancServer:
    """An Orthanc of our own; `stop` ends it and removes what it stored."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="orthanc-", dir=MEMORY if MEMORY.is_dir() else None))
        self.http_port, self.dicom_port, self.our_port = free_port(), free_port(), free_port()
        settings = {
            "Name": "test",
            "StorageDirectory": str(self._folder),
            "IndexDirectory": str(self._folder),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": TITLE,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": {"us": [OUR_TITLE, "127.0.0.1", self.our_port]},
            "StableAge": 1,
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }
        (self._folder / "orthanc.json").write_text(json.dumps(settings))
        self._log = (self._folder / "log").open("w")
        self._process = subprocess.Popen(
            [str(PROGRAM), str(self._folder / "orthanc.json")], stdout=self._log, stderr=self._log
        )
        self.rest = httpx.Client(base_url=self.url, timeout=30)
        self._wait()

    @property
    def url(self) -> str:
        """The root of Orthanc's own REST interface."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def dicomweb(self) -> str:
        """The root of its DICOMweb."""
        return f"{self.url}/dicom-web"

    def store(self, paths: Iterable[Path]) -> None:
        """Put these files there."""
        for path in paths:
            self.rest.post("/instances", content=path.read_bytes()).raise_for_status()

    def clear(self) -> None:
        """Remove all studies and the list of changes."""
        for study in self.rest.get("/studies").json():
            self.rest.delete(f"/studies/{study}").raise_for_status()
        self.rest.delete("/changes").raise_for_status()

    def stop(self) -> None:
        """End the server and remove its folder."""
        self.rest.close()
        self._process.terminate()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder)

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.rest.get("/dicom-web/studies").raise_for_status()
                return
            except httpx.HTTPError:
                time.sleep(0.05)  # there is nothing else to wait for
        raise RuntimeError("Orthanc did not start: " + (self._folder / "log").read_text()[-2000:])


@pytest.fixture(scope="session")
def orthanc_server() -> Iterator[OrthancServer]:
    """One Orthanc for the session; skips where its Debian packages are not installed."""
    if not (PROGRAM.exists() and PLUGIN.exists()):
        pytest.skip("Orthanc is not installed (Debian packages: orthanc orthanc-dicomweb)")
    server = OrthancServer()
    yield server
    server.stop()


@pytest.fixture
def orthanc(orthanc_server: OrthancServer) -> OrthancServer:
    """An empty Orthanc."""
    orthanc_server.clear()
    return orthanc_server
