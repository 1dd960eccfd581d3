"""The columns of a table by our names, whatever case, order and spelling a file gives them."""

from collections.abc import Mapping, Sequence

from site_node.sources.genomics.samples import Malformed

Spellings = Mapping[str, Sequence[str]]
"""Our name -> the spellings that files use, lower case; the first one that a file has counts."""


def find_columns(header: list[str], spellings: Spellings, required: Sequence[str]) -> dict[str, int]:
    """Our name -> the place of the column, for those that the header has.

    Raises:
        Malformed: it lacks a required one.
    """
    lowered = [name.strip().lstrip("#").lower() for name in header]
    columns = {
        ours: next(lowered.index(one) for one in spelled if one in lowered)
        for ours, spelled in spellings.items()
        if any(one in lowered for one in spelled)
    }
    missing = [spellings[name][0] for name in required if name not in columns]
    if missing:
        raise Malformed("missing-column", f"the header lacks {', '.join(missing)}")
    return columns


class Cells:
    """One line of a table by our names of its columns; a column that the file lacks is empty."""

    def __init__(self, cells: list[str], columns: Mapping[str, int]) -> None:
        self._cells, self._columns = cells, columns

    def __getitem__(self, name: str) -> str:
        column = self._columns.get(name)
        return "" if column is None else self._cells[column].strip()

    def number(self, name: str) -> float:
        """The finite number in a column.

        Raises:
            Malformed: there is none.
        """
        try:
            value = float(self[name])
        except ValueError:
            value = float("nan")
        if abs(value) < 1e300:
            return value
        raise Malformed("malformed-number", f"column {name} holds no number")

    def count(self, name: str) -> int | None:
        """The whole number in a column; None where there is none."""
        text = self[name]
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    def sample(self, name: str) -> str:
        """The sample's name in a column.

        Raises:
            Malformed: it is empty or too long.
        """
        if not 0 < len(self[name]) <= 200:
            raise Malformed("no-sample", f"column {name} is empty or too long")
        return self[name]
