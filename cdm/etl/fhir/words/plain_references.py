"""References that name a resource by what it is called elsewhere, made plain (`Patient/1`).

Servers write `Patient?identifier=system|value`, or an identifier alone with the type of what it names; inside
a bundle also `urn:uuid:…` and an entry's fullUrl.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

from cdm.etl.record import Body

ELSEWHERE = "urn:elsewhere"  # what stands for a reference to another server than the record's own
Find = Callable[[str], str | None]
"""`Kind/id` of a name: `urn:uuid:…`, `Patient?system|value`, or `?system|value` of any kind."""


def make_plain(element: Any, find: Find) -> None:
    """Replace those references below an element of which `find` knows the resource."""
    if isinstance(element, list):
        for one in element:
            make_plain(one, find)
    elif isinstance(element, dict):
        for name, value in element.items():
            if name == "reference" and isinstance(value, str):
                element[name] = _plain(value, find)
            elif isinstance(value, (dict, list)):
                make_plain(value, find)
        wanted = _by_identifier(element)
        if wanted and (found := find(wanted)):
            element["reference"] = found


def names_of(resource: Body) -> Iterator[str]:
    """What others may call a resource by its identifiers: `Patient?system|value`, and without the kind.

    A report is also called by each result that it lists, which may be dated by it alone.
    """
    identifiers = resource.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else ():
        if isinstance(identifier, dict) and "value" in identifier:
            name = f"?{identifier.get('system', '')}|{identifier['value']}"
            yield from (f"{resource.get('resourceType')}{name}", name)
    if resource.get("resourceType") == "DiagnosticReport":
        results = resource.get("result")
        for result in results if isinstance(results, list) else ():
            text = result.get("reference") if isinstance(result, dict) else None
            if isinstance(text, str):
                yield result_name("/".join(text.partition("/_history/")[0].split("/")[-2:]))


def result_name(result: str) -> str:
    """What a report is called by a result (`Observation/1`) that it lists."""
    return f"DiagnosticReport?result|{result}"


def is_named(reference: object) -> bool:
    """Whether a reference names its resource by an identifier, and not by its id."""
    if not isinstance(reference, dict):
        return False
    text = reference.get("reference")
    return _by_identifier(reference) is not None or (isinstance(text, str) and "?" in text)


def is_absolute(reference: object) -> bool:
    """Whether a reference is a web address, of which a bundle left open whose server it is."""
    return isinstance(reference, dict) and str(reference.get("reference")).startswith(("http:", "https:"))


def _by_identifier(reference: Body) -> str | None:
    """The name that a reference by an identifier alone stands for."""
    logical = reference.get("identifier")
    if not isinstance(logical, dict) or "value" not in logical or "reference" in reference:
        return None
    return f"{reference.get('type') or ''}?{logical.get('system', '')}|{logical['value']}"


def _plain(reference: str, find: Find) -> str:
    kind, question, query = reference.partition("?")
    name = f"{kind}?{dict(parse_qsl(query)).get('identifier')}" if question else reference
    return find(name) or reference
