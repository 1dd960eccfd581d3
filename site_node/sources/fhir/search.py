"""A FHIR server's REST search as records: each kind of resource, page after page."""

from collections.abc import Iterable, Iterator
from urllib.parse import urljoin

import httpx

from cdm.etl.record import Body, SourceRecord, Unreadable
from protocols.core.errors import Code, UnreachableError
from site_node.sources.fhir.bundle import bundle_records
from site_node.sources.fhir.server import FhirServer, json_of

PAGE = 500  # resources a page; a server may give fewer
REFUSED = "refused-by-server"
NOT_THERE = {400, 404, 405, 501}


def search(
    server: FhirServer, kinds: Iterable[str], since: str | None
) -> Iterator[SourceRecord | Unreadable]:
    """Every resource of these kinds, or those changed since an instant; in order of kind and page.

    A kind that the server does not have is reported and passed over.

    Raises:
        UnreachableError: it does not answer, or a page leads to another server.
    """
    for kind in kinds:
        yield from _pages(server, kind, since)


def supported(server: FhirServer, kinds: Iterable[str]) -> list[str]:
    """Those of the kinds that the server says it has; all of them where it says nothing."""
    wanted = list(kinds)
    answer = server.get("metadata")
    if answer.status_code != httpx.codes.OK:
        return wanted
    resources = [one for rest in _dicts(json_of(answer).get("rest")) for one in _dicts(rest.get("resource"))]
    there = {str(one.get("type")) for one in resources}
    return [kind for kind in wanted if kind in there] or wanted


def _pages(server: FhirServer, kind: str, since: str | None) -> Iterator[SourceRecord | Unreadable]:
    parameters = {"_count": str(PAGE), **({"_lastUpdated": f"ge{since}"} if since else {})}
    answer = server.get(kind, parameters)
    number, seen = 1, set[str]()
    while True:
        position = f"{kind}:{number}"
        if answer.status_code in NOT_THERE:
            reason = f"the server has no such search (HTTP {answer.status_code})"
            yield Unreadable(kind, position, REFUSED, reason)
            return
        if answer.status_code != httpx.codes.OK:
            raise UnreachableError(
                Code.SOURCE_UNREACHABLE, f"the FHIR server refuses a search (HTTP {answer.status_code})"
            )
        bundle = json_of(answer)
        yield from bundle_records(_matches(bundle), position, len(answer.content))
        following = _next(bundle, server)
        if following is None or following in seen:  # a server that leads in a circle ends there
            return
        seen.add(following)
        answer, number = server.get(following), number + 1


def _matches(bundle: Body) -> Body:
    """The page without the server's own remarks, which are OperationOutcomes."""
    entries = bundle.get("entry") or []
    if not isinstance(entries, list):
        return bundle
    remarks = {"outcome"}
    kept = [one for one in entries if not isinstance(one, dict) or _mode(one) not in remarks]
    return {**bundle, "entry": kept}


def _mode(entry: Body) -> object:
    search_of = entry.get("search")
    return search_of.get("mode") if isinstance(search_of, dict) else None


def _dicts(found: object) -> list[Body]:
    """The objects of a list that a server sent, whatever it sent."""
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _next(bundle: Body, server: FhirServer) -> str | None:
    urls = [one.get("url") for one in _dicts(bundle.get("link")) if one.get("relation") == "next"]
    if not urls or not isinstance(urls[0], str):
        return None
    url = urljoin(server.base_url + "/", urls[0])
    if not server.is_own(url):
        raise UnreachableError(
            Code.SOURCE_UNREACHABLE,
            "the next page is at another server",
            "the server's own address is wrong in its links: ask its administrator",
        )
    return url
