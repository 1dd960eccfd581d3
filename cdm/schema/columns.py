"""The kinds of columns that OMOP knows, and the one MetaData that all our tables live in.

A reference to another table is recorded in `Column.info`, where the data-quality checks read it, and is not
a database constraint: files arrive in any order and in many transactions, and a record that points to nothing
is to be loaded and reported, not lost.
"""

from datetime import date, datetime

from sqlalchemy import BigInteger, Column, Date, DateTime, Double, Index, Integer, MetaData, String, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# On SQLite INTEGER holds 64 bits, and as the primary key it is the row's own address: one tree, not two.
LONG = BigInteger().with_variant(Integer(), "sqlite")


def key(name: str) -> Column[int]:
    """The primary key of an event: 63 bits that the ETL derives from the source's own identifier."""
    return Column(name, LONG, primary_key=True, autoincrement=False)


def hashed_key(name: str) -> Column[int]:
    """The primary key of a table with very many rows.

    Unlike `key` it is not the row's own address on SQLite: rows stay in the order of their arrival, those of
    a person beside each other, and only the small tree of keys is written all over by a load.
    """
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def reference(name: str, table: str, *, required: bool = False, index: bool = False) -> Column[int]:
    """The key of a row in another table; the empty string stands for any table."""
    return Column(name, LONG, nullable=not required, index=index, info={"references": table})


def concept_id(
    name: str,
    *,
    domain: str = "",
    concept_class: str = "",
    required: bool = False,
    index: bool = False,
    says_what: bool = False,
) -> Column[int]:
    """A concept_id; `domain` and `concept_class` are what the standard requires of the concept.

    `says_what` a row of the table is: by an index of its own (`index`), or by the table's `code_index`.
    """
    info = {
        "references": "concept",
        "domain": domain,
        "concept_class": concept_class,
        "says_what": says_what or index,
    }
    return Column(name, Integer, nullable=not required, index=index, info=info)


def code_index(table: str, prefix: str, day: str) -> Index:
    """The index by which a study finds records: by their codes, then by person and day."""
    codes = (f"{prefix}_concept_id", f"{prefix}_source_concept_id", f"{prefix}_source_value")
    return Index(f"ix_{table}_codes", *codes, "person_id", day)


def integer(name: str, *, required: bool = False) -> Column[int]:
    """A small whole number."""
    return Column(name, Integer, nullable=not required)


def large(name: str, *, required: bool = False, index: bool = False) -> Column[int]:
    """A 63-bit number: the key of a row in a table that another column names."""
    return Column(name, LONG, nullable=not required, index=index)


def number(name: str, *, required: bool = False) -> Column[float]:
    """A double: a rounded DECIMAL would not give back the measured value."""
    return Column(name, Double, nullable=not required)


def text(
    name: str,
    length: int | None = None,
    *,
    references: str = "",
    required: bool = False,
    index: bool = False,
    primary_key: bool = False,
) -> Column[str]:
    """A string; without a length it is the standard's varchar(max)."""
    kind = Text() if length is None else String(length)
    info = {"references": references} if references else {}
    nullable = not (required or primary_key)
    return Column(name, kind, primary_key=primary_key, nullable=nullable, index=index, info=info)


def day(name: str, *, required: bool = False) -> Column[date]:
    """A calendar day at the place of care."""
    return Column(name, Date, nullable=not required)


def moment(name: str, *, required: bool = False) -> Column[datetime]:
    """A time without offset; our own tables hold UTC."""
    return Column(name, DateTime, nullable=not required)
