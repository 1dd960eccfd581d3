"""What a site reads of one variable, without a study around it."""

from typing import Any

from pydantic import TypeAdapter

from protocols.core.variables import Variable
from site_node.study_table.people import People
from site_node.study_table.readers import READERS
from site_node.study_table.readers.reader import Columns, LabelReader

VARIABLE: TypeAdapter[Any] = TypeAdapter(Variable)


def columns_read(variable: dict[str, Any], people: People) -> Columns:
    """The (n,) arrays of a variable as a study writes it."""
    parsed = VARIABLE.validate_python(variable)
    reader = READERS[type(parsed)]
    assert not isinstance(reader, LabelReader)
    return reader.columns(parsed, people)
