"""A FHIR server in this process, and a client of it that does not sleep."""

from collections.abc import Iterator

import httpx
import pytest

from site_node.sources.fhir.server import FhirServer
from tests.lib.fhir_site import PATIENTS, VISIT, FhirSite


@pytest.fixture
def site() -> Iterator[FhirSite]:
    found = FhirSite()
    found.resources = {"Patient": PATIENTS, "Encounter": [VISIT]}
    yield found
    found.stop()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def waits() -> list[float]:
    """The seconds that the client would have slept."""
    return []


@pytest.fixture
def server(site: FhirSite, http: httpx.Client, waits: list[float]) -> FhirServer:
    return FhirServer(site.url, http, wait=waits.append)
