"""Pulls from a FHIR server: pages, exports, tokens, waits, faults that pass, and going on after a kill."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from cdm.etl import SourceRecord, Unreadable
from protocols.core.errors import InputError, UnreachableError
from site_node.sources.fhir.bulk import BulkExport, split_export_url
from site_node.sources.fhir.search import search, supported
from site_node.sources.fhir.server import FhirServer
from site_node.sources.fhir.smart import Tokens, public_jwk, read_keys
from tests.lib.fhir_site import CLIENT_ID, DELETED, FhirSite, pem

Item = SourceRecord | Unreadable


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def names(items: Iterator[Item]) -> list[str]:
    return [
        f"{one.kind}/{one.record_id}" if isinstance(one, SourceRecord) else f"{one.position} {one.code}"
        for one in items
    ]


def test_search_follows_the_pages_of_each_kind(site: FhirSite, server: FhirServer) -> None:
    found = names(search(server, ["Patient", "Encounter"], None))
    assert found == [f"Patient/p{number}" for number in range(5)] + ["Encounter/e1"]
    assert site.paths() == ["Patient"] * 3 + ["Encounter"]


def test_search_asks_for_what_changed_since(site: FhirSite, server: FhirServer) -> None:
    assert names(search(server, ["Encounter"], "2026-06-01T00:00:00Z")) == []
    assert site.asked[0][2]["_lastUpdated"] == ["ge2026-06-01T00:00:00Z"]


def test_a_kind_that_the_server_lacks_is_reported_and_passed_over(server: FhirServer) -> None:
    assert names(search(server, ["Consent", "Encounter"], None)) == [
        "Consent:1 refused-by-server",
        "Encounter/e1",
    ]


def test_a_page_at_another_server_is_refused(site: FhirSite, server: FhirServer) -> None:
    page = {
        "resourceType": "Bundle",
        "link": [{"relation": "next", "url": "http://127.0.0.1:9/fhir/Patient"}],
    }
    site.faults["Patient"] = [(200, {}, json.dumps(page).encode())]
    with pytest.raises(UnreachableError, match="another server"):
        list(search(server, ["Patient"], None))


def test_pages_that_lead_in_a_circle_end(site: FhirSite, server: FhirServer) -> None:
    link = {"relation": "next", "url": f"{site.url}/Patient?page=0"}
    page: Any = (200, {}, json.dumps({"resourceType": "Bundle", "link": [link]}).encode())
    site.faults["Patient"] = [page] * 5
    assert names(search(server, ["Patient"], None)) == []
    assert site.paths() == ["Patient"] * 2


def test_what_passes_is_waited_for_as_long_as_the_server_says(
    site: FhirSite, server: FhirServer, waits: list[float]
) -> None:
    site.fail("Encounter", 429, retry_after="7")
    site.fail("Encounter", 500, 503)
    assert names(search(server, ["Encounter"], None)) == ["Encounter/e1"]
    assert waits == [7, 2, 4]


def test_a_wait_may_be_told_as_a_date(site: FhirSite, server: FhirServer, waits: list[float]) -> None:
    site.fail("Encounter", 429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")
    assert names(search(server, ["Encounter"], None)) == ["Encounter/e1"]
    assert waits == [1]  # it is past: the client's own pause


def test_a_fault_that_lasts_is_an_error_without_any_of_its_text(
    site: FhirSite, server: FhirServer, waits: list[float]
) -> None:
    site.faults["Patient"] = [(500, {}, b"CANARY")] * 6
    with pytest.raises(UnreachableError) as raised:
        list(search(server, ["Patient"], None))
    assert "CANARY" not in str(raised.value)
    assert len(waits) == 5


def test_an_answer_cut_off_is_asked_for_again(site: FhirSite, server: FhirServer) -> None:
    site.faults["Encounter"] = [(200, {"Content-Length": "1000"}, b'{"resourceType": "Bun')]
    assert names(search(server, ["Encounter"], None)) == ["Encounter/e1"]


def test_a_server_that_is_not_there_is_an_error(http: httpx.Client, waits: list[float]) -> None:
    nowhere = FhirServer("http://127.0.0.1:9/fhir", http, wait=waits.append)
    with pytest.raises(UnreachableError):
        list(search(nowhere, ["Patient"], None))


def test_an_export_is_asked_for_waited_for_and_read(
    site: FhirSite, server: FhirServer, waits: list[float], tmp_path: Path
) -> None:
    site.polls, site.packed = 3, True
    site.deleted = [DELETED]
    site.errors = [{"resourceType": "OperationOutcome", "issue": [{"diagnostics": "CANARY"}]}]
    export = BulkExport(server, "$export", tmp_path / "x", ["Patient", "Encounter"], "2026-01-01T00:00:00Z")
    export.fetch()
    found = list(export.records())
    assert names(iter(found))[:6] == [f"Patient/p{number}" for number in range(5)] + ["Encounter/e1"]
    assert [one.code for one in found if isinstance(one, Unreadable)] == ["error-of-the-server"]
    assert [one.record_id for one in found if isinstance(one, SourceRecord) and one.deleted] == ["p4"]
    assert "CANARY" not in repr(found)
    assert waits == [1, 1, 1]
    asked = site.asked[0][2]
    assert (asked["_type"], asked["_since"]) == (["Patient,Encounter"], ["2026-01-01T00:00:00Z"])
    assert export.transaction_time == "2026-11-20T08:00:00Z"
    export.finish()
    assert site.asked[-1][0] == "DELETE"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("path", ["$export", "status/1", "files/Patient"])
def test_an_export_outlives_passing_faults(
    site: FhirSite, server: FhirServer, tmp_path: Path, path: str
) -> None:
    site.fail(path, 429, 500, 502)
    export = BulkExport(server, "$export", tmp_path)
    export.fetch()
    assert len(list(export.records())) == 6


@pytest.mark.parametrize("killed_before", ["status/1", "files/Patient", "files/Encounter"])
def test_an_export_goes_on_after_a_kill(
    site: FhirSite, server: FhirServer, tmp_path: Path, killed_before: str
) -> None:
    site.fail(killed_before, *[500] * 6)
    with pytest.raises(UnreachableError):
        BulkExport(server, "$export", tmp_path).fetch()
    again = BulkExport(server, "$export", tmp_path)
    again.fetch()
    assert len(list(again.records())) == 6
    assert site.paths().count("$export") == 1
    if killed_before == "files/Encounter":
        assert site.paths().count("files/Patient") == 1


@pytest.mark.parametrize("lost", ["status/1", "files/Encounter"])
def test_an_export_that_the_server_lost_is_asked_for_anew(
    site: FhirSite, server: FhirServer, tmp_path: Path, lost: str
) -> None:
    site.fail(lost, 404)
    export = BulkExport(server, "$export", tmp_path)
    export.fetch()
    assert len(list(export.records())) == 6
    assert site.paths().count("$export") == 2


def test_another_request_does_not_take_up_an_old_export(
    site: FhirSite, server: FhirServer, tmp_path: Path
) -> None:
    BulkExport(server, "$export", tmp_path).fetch()
    BulkExport(server, "$export", tmp_path, ["Patient"]).fetch()
    assert site.paths().count("$export") == 2


def test_an_export_that_the_server_refuses_is_the_question_s_fault(
    site: FhirSite, server: FhirServer, tmp_path: Path
) -> None:
    site.fail("$export", 400)
    with pytest.raises(InputError):
        BulkExport(server, "$export", tmp_path).fetch()


@pytest.mark.parametrize(
    ("url", "base", "path"),
    [
        ("https://h/fhir/$export", "https://h/fhir", "$export"),
        ("https://h/fhir/Patient/$export", "https://h/fhir", "Patient/$export"),
        ("https://h/fhir/Group/g1/$export", "https://h/fhir", "Group/g1/$export"),
    ],
)
def test_an_export_s_address_is_base_and_path(url: str, base: str, path: str) -> None:
    assert split_export_url(url) == (base, path)


def jwk(key: ec.EllipticCurvePrivateKey, kid: str) -> dict[str, str]:
    secret = urlsafe_b64encode(key.private_numbers().private_value.to_bytes(48, "big")).rstrip(b"=")
    return {**public_jwk(key), "kid": kid, "d": secret.decode()}


def signed_in(site: FhirSite, http: httpx.Client, file: Path, **clock: Callable[[], float]) -> FhirServer:
    tokens = Tokens(http, f"{site.url}/token", CLIENT_ID, read_keys(file), **clock)  # type: ignore[arg-type]
    return FhirServer(site.url, http, tokens, wait=lambda seconds: None)


def test_a_token_is_got_by_rs384(
    site: FhirSite, http: httpx.Client, tmp_path: Path, rsa_key: rsa.RSAPrivateKey
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(rsa_key))
    site.keys = {read_keys(file)[0].kid: rsa_key.public_key()}
    assert names(search(signed_in(site, http, file), ["Encounter"], None)) == ["Encounter/e1"]
    assert site.algorithms == ["RS384"]
    assert site.paths() == ["token", "Encounter"]


def test_a_token_is_got_by_es384_and_the_newest_key_that_the_server_knows(
    site: FhirSite, http: httpx.Client, tmp_path: Path
) -> None:
    old, new = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [jwk(old, "2025"), jwk(new, "2026")]}))
    site.keys = {"2025": old.public_key()}
    assert names(search(signed_in(site, http, file), ["Encounter"], None)) == ["Encounter/e1"]
    assert site.algorithms == ["ES384"]
    site.keys = {"2026": new.public_key()}  # the old one is rotated out
    site.tokens.clear()
    assert names(search(signed_in(site, http, file), ["Encounter"], None)) == ["Encounter/e1"]
    assert site.algorithms == ["ES384", "ES384"]


def test_a_token_that_the_server_forgot_is_renewed_in_the_middle(
    site: FhirSite, http: httpx.Client, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    file = tmp_path / "key.pem"
    file.write_bytes(pem(key))
    site.keys = {read_keys(file)[0].kid: key.public_key()}
    pages = search(signed_in(site, http, file), ["Patient"], None)
    first = next(pages)
    site.tokens.clear()
    assert len([first, *pages]) == 5
    assert site.paths().count("token") == 2


def test_a_token_is_renewed_before_it_ends(site: FhirSite, http: httpx.Client, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    file = tmp_path / "key.pem"
    file.write_bytes(pem(key))
    site.keys = {read_keys(file)[0].kid: key.public_key()}
    ahead = 0.0
    pages = search(signed_in(site, http, file, clock=lambda: site.now() + ahead), ["Patient"], None)
    next(pages)
    ahead = site.ahead = 280.0  # of 300 seconds
    list(pages)
    assert site.paths().count("token") == 2


def test_a_wrong_client_is_told_so_without_the_assertion(
    site: FhirSite, http: httpx.Client, tmp_path: Path
) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(ec.generate_private_key(ec.SECP384R1())))
    site.keys = {"another": ec.generate_private_key(ec.SECP384R1()).public_key()}
    with pytest.raises(UnreachableError) as raised:
        list(search(signed_in(site, http, file), ["Patient"], None))
    assert "eyJ" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"no key", b'{"kty": "RSA"}', b"-----BEGIN X-----"])
def test_a_file_that_is_no_key_is_wrong_input(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InputError, match="RS384"):
        read_keys(tmp_path / "key")


@pytest.mark.parametrize("status", [429, 503])
def test_a_token_endpoint_that_is_busy_is_waited_for(
    site: FhirSite, http: httpx.Client, tmp_path: Path, status: int
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "key.pem").write_bytes(pem(key))
    site.keys = {read_keys(tmp_path / "key.pem")[0].kid: key.public_key()}
    site.fail("token", status, status)
    assert names(search(signed_in(site, http, tmp_path / "key.pem"), ["Encounter"], None)) == ["Encounter/e1"]
    assert site.paths().count("token") == 3


ANY_KEY = ec.generate_private_key(ec.SECP384R1())


def key_file(folder: Path) -> Path:
    path = folder / "any.pem"
    path.write_bytes(pem(ANY_KEY))
    return path


WRONG: tuple[object, ...] = (
    None,
    [],
    7,
    "CANARY",
    {},
    {"link": 7},
    {"link": [7]},
    {"link": [{"relation": "next", "url": 7}]},
)
WRONG += ({"entry": 7}, {"entry": [7]}, {"entry": [{"resource": 7, "search": 7}]}, {"rest": 7})
WRONG += ({"rest": [{"resource": [{"type": []}]}]}, {"output": 7}, {"output": [7]}, {"output": [{"url": 7}]})
WRONG += ({"access_token": []}, {"access_token": "x", "expires_in": "soon"}, {"token_endpoint": 7})


@pytest.mark.parametrize("path", ["metadata", "Patient", "$export", "status/1", "files/Patient", "token"])
def test_whatever_a_server_answers_is_read_or_an_error_with_a_code(
    site: FhirSite, http: httpx.Client, tmp_path: Path, path: str
) -> None:
    site.keys = {read_keys(key_file(tmp_path))[0].kid: ANY_KEY.public_key()}
    site.polls = 0
    for number, wrong in enumerate(WRONG):
        site.faults[path.replace("1", str(number + 1))] = [(200, {}, json.dumps(wrong).encode())]
        server = signed_in(site, http, key_file(tmp_path))
        assert "CANARY" not in everything(server, tmp_path / str(number))


def everything(server: FhirServer, folder: Path) -> str:
    """All that is read from a server, or the error that ends it."""
    try:
        kinds = supported(server, ["Patient"])
        found = list(search(server, kinds, None))
        export = BulkExport(server, "$export", folder)
        export.fetch()
        return repr([*found, *export.records()])
    except UnreachableError as error:
        return str(error)
