"""Validation of whole resources by fhir.resources: thorough, and slower than all else together."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from hashlib import blake2b

from cdm.etl.record import SourceRecord, Unreadable

SAMPLED = 20  # one record in so many; which ones is the same on every run


class Validate(StrEnum):
    """How many resources are validated before they are loaded."""

    ALL = "all"
    SAMPLE = "sample"
    NONE = "none"


def validated(
    records: Iterable[SourceRecord | Unreadable], how: Validate
) -> Iterator[SourceRecord | Unreadable]:
    """The records; one that does not conform to FHIR R4B is Unreadable instead, with the element's path."""
    if how is Validate.NONE:
        yield from records
        return
    for record in records:
        if isinstance(record, Unreadable) or record.deleted or not _chosen(record, how):
            yield record
        else:
            fault = _fault(record)
            yield Unreadable(record.kind, record.position, "invalid-fhir", fault) if fault else record


def _chosen(record: SourceRecord, how: Validate) -> bool:
    if how is Validate.ALL:
        return True
    digest = blake2b(f"{record.kind}/{record.record_id}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % SAMPLED == 0


def _fault(record: SourceRecord) -> str:
    """Where and how the resource departs from the standard, without its values; empty where it does not."""
    # Seconds to import, and needed for this option alone.
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    try:
        get_fhir_model_class(record.kind).model_validate(record.body)
    except KeyError:
        return f"FHIR R4B has no resource of this kind ({len(record.kind)} characters)"
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['type']}"
    return ""
