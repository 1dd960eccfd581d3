"""Files of public content that people hand over between sites and the center: JSON, checked when read."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from protocols.core.errors import Code, InputError, not_found

SiteName = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")


class Document(BaseModel):
    """A kind of file; its name is the class's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1

    def write(self, path: Path) -> None:
        """Writes the document as JSON."""
        path.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The document of a JSON file.

        Raises:
            InputError: there is no such file, or it is another kind of document.
        """
        if not path.is_file():
            raise not_found(path)
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            fields = ", ".join(sorted({".".join(map(str, e["loc"])) or "the file" for e in error.errors()}))
            raise InputError(
                Code.INVALID_INPUT, f"{path.name} is not an {cls.__name__.lower()}: {fields}"
            ) from None


class KeptHeads(Document):
    """The heads of one site's audit, as it told them with its answers and another side kept them."""

    site: str = SiteName
    kept_by: str
    heads: tuple[str, ...]
