"""Which rows of the event tables carry a concept: asked of the few codes that a table has, not of its rows.

A hospital's table of a million measurements has some hundred different codes. They are read from the table's
index by jumps; what a concept means among them is decided here, and a statement then asks for exactly those,
by the same index.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    FromClause,
    Integer,
    Select,
    Table,
    and_,
    cast,
    null,
    or_,
    select,
    union_all,
)

from cdm.etl.fhir.condition import CONSIDERED
from cdm.schema import (
    condition_occurrence,
    drug_exposure,
    measurement,
    observation,
    procedure_occurrence,
    visit_occurrence,
)
from cdm.vocabulary.concepts import Vocabulary
from cdm.vocabulary.names import ConceptCode, normal_code
from protocols.core.errors import Code, SpecError
from site_node.study_table.temporary import listed

LOCAL = "local"  # a hospital's own code system, which the ETL writes without a prefix
SOURCE_VALUE_LENGTH = 50
# Up to so many codes a statement names one by one, each a jump in the index per person; more are joined.
NAMED = 12

Source = tuple[Table, str, str]  # an event table, the prefix of its concept columns, the column of its day
Written = tuple[int, int | None, str | None]  # concept, source concept and source value of rows

CONDITION: Source = (condition_occurrence, "condition", "condition_start_date")
PROCEDURE: Source = (procedure_occurrence, "procedure", "procedure_date")
DRUG: Source = (drug_exposure, "drug", "drug_exposure_start_date")
MEASUREMENT: Source = (measurement, "measurement", "measurement_date")
OBSERVATION: Source = (observation, "observation", "observation_date")
VISIT: Source = (visit_occurrence, "visit", "visit_start_date")

# The ETL puts a row where the domain of its standard concept says, and where FHIR's resource says if the site
# has no vocabulary. One study asks sites of both kinds, so a record is looked for where either may put it.
SOURCES: dict[str, tuple[Source, ...]] = {
    "condition": (CONDITION, OBSERVATION),
    "procedure": (PROCEDURE, MEASUREMENT, OBSERVATION),
    "drug": (DRUG,),
    "measurement": (MEASUREMENT, OBSERVATION),
    "observation": (OBSERVATION, MEASUREMENT),
    "visit": (VISIT,),
}


@dataclass(frozen=True)
class Codes:
    """The codes of each event table, read once for a study's table."""

    _known: dict[str, list[Written]] = field(default_factory=dict)

    def carrying(
        self, connection: Connection, vocabulary: Vocabulary, source: Source, concepts: Sequence[str]
    ) -> list[ColumnElement[bool]]:
        """Conditions of which exactly one holds for a row that carries one of the concepts.

        A concept is such as `LOINC:89243-0` or `ICD10CM:C71%`. Where the site's vocabulary knows the code, by
        the concept and the source concept, and those below it; and always by what the ETL keeps of the
        source's own code: `*_source_value` is `VOCABULARY:code`, at most 50 characters, or the code alone
        where the code system is the hospital's own (`local:code` in a study).

        Raises:
            SpecError: one of the concepts is not written so.
        """
        codes = [parse_concept(concept) for concept in concepts]
        ids = concept_ids(codes, vocabulary)
        found = self._where(
            connection,
            source,
            lambda it: it[0] in ids or it[1] in ids or any(is_written(it[2], code) for code in codes),
        )
        if source[0] is observation:
            return [and_(condition, _is_stated()) for condition in found]
        return found

    def named(
        self, connection: Connection, source: Source, names: Collection[str]
    ) -> list[ColumnElement[bool]]:
        """Conditions of which exactly one holds for a row whose source value is one of the names."""
        return self._where(connection, source, lambda it: it[2] in names)

    def _where(
        self, connection: Connection, source: Source, is_asked: Callable[[Written], bool]
    ) -> list[ColumnElement[bool]]:
        asked = sorted(filter(is_asked, self._of(connection, source)), key=_blanks)
        return [
            condition
            for _, alike in groupby(asked, key=_blanks)
            for condition in _are(connection, source, list(alike))
        ]

    def _of(self, connection: Connection, source: Source) -> list[Written]:
        name = source[0].name
        if name not in self._known:
            rows = connection.execute(_different(source)).all()
            self._known[name] = [(concept, of_source, value) for concept, of_source, value in rows]
        return self._known[name]


def code_columns(source: Source) -> tuple[Column[int], Column[int], Column[str]]:
    """The columns of a table that say what a row is."""
    table, prefix, _ = source
    names = (f"{prefix}_concept_id", f"{prefix}_source_concept_id", f"{prefix}_source_value")
    return table.c[names[0]], table.c[names[1]], table.c[names[2]]


def parse_concept(text: str) -> ConceptCode:
    """The vocabulary and code of `VOCABULARY:code`.

    Raises:
        SpecError: it is not written so.
    """
    try:
        found = ConceptCode.parse(text)
    except ValueError as error:
        raise SpecError(Code.INVALID_STUDY, f"{text!r} is not a concept: {error}") from None
    if found.stem.endswith("."):  # `C71.%` leaves C71 itself out
        return found
    stem = normal_code(found.vocabulary_id, found.stem)
    return ConceptCode(found.vocabulary_id, f"{stem}%" if found.is_prefix else stem)


def concept_ids(codes: Sequence[ConceptCode], vocabulary: Vocabulary) -> set[int]:
    """The ids of the concepts and of all below them, as far as this site's vocabulary knows them."""
    return {concept_id for code in codes for concept_id in vocabulary.concept_ids(code)}


def is_written(value: str | None, code: ConceptCode) -> bool:
    """Whether a `*_source_value` is the code, as the ETL writes it."""
    if value is None:
        return False
    text = as_written(code)
    return value.startswith(text) if code.is_prefix else value == text


def as_written(code: ConceptCode) -> str:
    """How the ETL writes a code in `*_source_value`; of a prefix, how what it means begins."""
    is_local = code.vocabulary_id == LOCAL or code.vocabulary_id.startswith(f"{LOCAL}-")
    return (code.stem if is_local else f"{code.vocabulary_id}:{code.stem}")[:SOURCE_VALUE_LENGTH]


def _is_stated() -> ColumnElement[bool]:
    """Whether an observation is not of a diagnosis that was ruled out, or only considered."""
    qualifier = observation.c.qualifier_source_value
    return or_(qualifier.is_(None), qualifier.not_in(CONSIDERED))


def _blanks(written: Written) -> tuple[bool, bool]:
    return written[1] is None, written[2] is None


def _are(connection: Connection, source: Source, asked: list[Written]) -> list[ColumnElement[bool]]:
    """Conditions for the rows of these codes, which are NULL in the same columns."""
    columns: list[Column[Any]] = [*code_columns(source)]
    if len(asked) <= NAMED:
        return [_is(columns, one) for one in asked]
    table = listed(connection, "codes", [Column(of.name, of.type) for of in columns], asked)
    given = [None if value is None else table.c[of.name] for of, value in zip(columns, asked[0], strict=True)]
    return [_is(columns, given)]


def _is(columns: Sequence[Column[Any]], values: Sequence[Any]) -> ColumnElement[bool]:
    same = zip(columns, values, strict=True)
    return and_(*(column.is_(None) if value is None else column == value for column, value in same))


def _different(source: Source) -> CompoundSelect[Any]:
    """The different codes of a table, from the next one to the next: each is a jump in its index.

    `SELECT DISTINCT` would read every entry of the index on PostgreSQL, and on SQLite before an ANALYZE.
    """
    concept, of_source, value = code_columns(source)
    concepts = _each("concept", None, [concept])
    with_source = _each("source", concepts, [concept, of_source])
    with_value = _each("value", with_source, [concept, of_source, value])
    bare = _each("bare", concepts, [concept, of_source, value], without=of_source)
    return union_all(
        select(*with_value.c).where(
            or_(
                with_value.c[2].is_not(None),
                _there(concept, with_value.c[0], of_source == with_value.c[1], value),
            )
        ),
        select(bare.c[0], cast(null(), Integer), bare.c[1]).where(
            or_(bare.c[1].is_not(None), _there(concept, bare.c[0], of_source.is_(None), value))
        ),
    )


def _each(
    name: str, above: CTE | None, columns: list[Column[Any]], without: Column[Any] | None = None
) -> CTE:
    """The values of the last column under each of `above`, one after the other; NULL after the last one.

    `without` is a column between them that is NULL.
    """
    *keys, column = (one for one in columns if one is not without)
    # Not min(): PostgreSQL would read all rows of a NULL for it. NULLs come last there, and first on SQLite.
    smallest = select(column).where(column.is_not(None)).order_by(*columns).limit(1)
    if without is not None:
        smallest = smallest.where(without.is_(None))

    def after(row: FromClause | None, *conditions: ColumnElement[bool]) -> Select[Any]:
        if row is None:
            return select(smallest.scalar_subquery().label("c0"))
        kept = list(row.c)[: len(keys)]
        next_one = smallest.where(*(key == one for key, one in zip(keys, kept, strict=False)), *conditions)
        parts = [one.label(f"c{place}") for place, one in enumerate(kept)]
        return select(*parts, next_one.correlate(row).scalar_subquery().label(f"c{len(keys)}"))

    first = after(above)
    if above is not None:
        first = first.where(above.c[len(keys) - 1].is_not(None))
    found = first.cte(f"each_{name}", recursive=True)
    last = found.c[len(keys)]
    return found.union_all(after(found, column > last).where(last.is_not(None)))


def _there(
    concept: Column[int], its: ColumnElement[int], source_is: ColumnElement[bool], value: Column[str]
) -> ColumnElement[bool]:
    """Whether there is a row of these codes without a source value; not EXISTS, which may read the table."""
    found = select(concept).where(concept == its, source_is, value.is_(None)).limit(1)
    return found.scalar_subquery().is_not(None)
