"""FHIR's booleans: `"false"` in quotes is true to a program, and so is never taken for one."""

from cdm.etl.record import Body, Unmappable


def boolean(resource: Body, element: str) -> bool | None:
    """What a boolean element says; None where it is not there.

    Raises:
        Unmappable: it is neither true nor false, as JSON writes them.
    """
    value = resource.get(element)
    if value is None or isinstance(value, bool):
        return value
    raise Unmappable("malformed-boolean", "an element that is true or false is written as something else")
