"""FHIR Bulk Data: an export is asked for, waited for, downloaded and read; after a kill it goes on there.

The export's folder holds its state (`export.json`) and the files that are whole. A second run with the same
request takes up where the first one stopped: it waits for the same export, and downloads what is missing. An
export that the server has forgotten, or whose files have gone, is asked for anew.

Bulk Data Access 3.0.0: kick-off, status, `output`, `error` and `deleted` files.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from cdm.etl.record import SourceRecord, Unreadable
from protocols.core.errors import Code, InputError, UnreachableError
from site_node.sources.fhir.files import read
from site_node.sources.fhir.server import FhirServer, json_of, retry_after

STATE = "export.json"
NDJSON = "application/fhir+ndjson"
POLL_SECONDS = 10.0
GONE = {404, 410}
FRESH_STARTS = 2  # exports that may be lost before we give up

Item = SourceRecord | Unreadable


class LostExportError(Exception):
    """The server does not know the export any more, or one of its files."""


class BulkExport:
    """One export of `path` (`$export`, `Patient/$export`, `Group/1/$export`) into `folder`."""

    def __init__(
        self, server: FhirServer, path: str, folder: Path, kinds: Sequence[str] = (), since: str | None = None
    ) -> None:
        self._server = server
        self._path = path
        self._folder = folder
        self._request = {"path": path, "_type": ",".join(kinds), "_since": since or ""}
        self._state = self._read_state()

    @property
    def transaction_time(self) -> str | None:
        """The instant that the export is of: what the next one may give as `_since`."""
        manifest = self._state.get("manifest") or {}
        time = manifest.get("transactionTime")
        return str(time) if time else None

    def fetch(self) -> None:
        """Bring all files of the export here.

        Raises:
            UnreachableError: the server does not answer, or refuses.
        """
        for _ in range(FRESH_STARTS):
            try:
                self._wait_for_manifest()
                self._download()
                return
            except LostExportError:
                self.forget()
        raise UnreachableError(Code.SOURCE_UNREACHABLE, "the server lost the export twice")

    def records(self) -> Iterator[Item]:
        """The resources of the files, what the server could not export, and what was deleted there."""
        for kind, number, _ in self._files():
            file = self._folder / _name(kind, number)
            yield from _server_errors(file) if kind == "error" else read(file)

    def forget(self) -> None:
        """Remove the files: they are loaded, or of no use."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._state = {"request": self._request}

    def finish(self) -> None:
        """Tell the server that the export may go, and remove the files."""
        status_url = self._state.get("status_url")
        if status_url:
            self._server.delete(status_url)
        self.forget()

    def _wait_for_manifest(self) -> None:
        if "status_url" not in self._state:
            self._kick_off()
        while "manifest" not in self._state:
            answer = self._server.get(self._state["status_url"], headers={"Accept": "application/json"})
            if answer.status_code == httpx.codes.ACCEPTED:
                self._server.wait(retry_after(answer) or POLL_SECONDS)
            elif answer.status_code == httpx.codes.OK:
                self._write_state(manifest=json_of(answer))
            elif answer.status_code in GONE:
                raise LostExportError
            else:
                raise _refused("its export failed", answer)

    def _kick_off(self) -> None:
        wanted = {name: value for name, value in self._request.items() if name != "path" and value}
        parameters = {"_outputFormat": NDJSON, **wanted}
        answer = self._server.get(self._path, parameters, {"Prefer": "respond-async"})
        location = answer.headers.get("Content-Location")
        if answer.status_code != httpx.codes.ACCEPTED or not location:
            raise _refused("it does not begin an export", answer)
        self._write_state(status_url=urljoin(self._server.base_url + "/", location))

    def _download(self) -> None:
        needs_token = bool(self._state["manifest"].get("requiresAccessToken"))
        for kind, number, url in self._files():
            target = self._folder / _name(kind, number)
            if target.exists():
                continue
            status = self._server.download(url, target, needs_token)
            if status in GONE:
                raise LostExportError
            if status != httpx.codes.OK:
                raise UnreachableError(
                    Code.SOURCE_UNREACHABLE, f"the server does not give a file of its export (HTTP {status})"
                )

    def _files(self) -> Iterator[tuple[str, int, str]]:
        """(kind, number, url) of the manifest's files; kind is a resource's, `error` or `deleted`."""
        manifest = self._state.get("manifest") or {}
        for part in ("output", "error", "deleted"):
            files = manifest.get(part) or []
            if not isinstance(files, list) or not all(map(_is_file, files)):
                raise UnreachableError(
                    Code.SOURCE_UNREACHABLE, "the FHIR server's list of the exported files cannot be read"
                )
            for number, file in enumerate(files, 1):
                kind = str(file.get("type", "unknown")) if part == "output" else part
                yield (kind if kind.isalpha() else "unknown"), number, file["url"]

    def _read_state(self) -> dict[str, Any]:
        """The state of an earlier run with the same request, else that of a new one."""
        try:
            found = json.loads((self._folder / STATE).read_bytes())
        except (OSError, ValueError):
            found = None
        if isinstance(found, dict) and found.get("request") == self._request:
            return found
        shutil.rmtree(self._folder, ignore_errors=True)
        return {"request": self._request}

    def _write_state(self, **changed: Any) -> None:
        self._state |= changed
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._folder / (STATE + ".new")
        with new.open("w") as file:
            json.dump(self._state, file)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._folder / STATE)


def split_export_url(url: str) -> tuple[str, str]:
    """The FHIR base and the path of an export's address: `https://host/fhir` and `Group/1/$export`."""
    base = url.removesuffix("/$export")
    head, _, last = base.rpartition("/")
    if last == "Patient":
        return head, "Patient/$export"
    if head.rpartition("/")[2] == "Group":
        return head.rpartition("/")[0], f"Group/{last}/$export"
    return base, "$export"


def _is_file(file: object) -> bool:
    return isinstance(file, dict) and isinstance(file.get("url"), str)


def _name(kind: str, number: int) -> str:
    return f"{kind}.{number}.ndjson"


def _server_errors(file: Path) -> Iterator[Unreadable]:
    """What the server could not export: told by place and kind, since its words may name a patient."""
    for item in read(file):
        reason = "the server could not export this; its own log says why"
        yield Unreadable("OperationOutcome", item.position, "error-of-the-server", reason)


def _refused(what: str, answer: httpx.Response) -> Exception:
    if answer.status_code in {400, 422}:
        return InputError(
            Code.INVALID_INPUT,
            f"the FHIR server refuses the export (HTTP {answer.status_code})",
            "see --type and --since",
        )
    return UnreachableError(
        Code.SOURCE_UNREACHABLE, f"the FHIR server answers, but {what} (HTTP {answer.status_code})"
    )
