"""Checks that follow from the tables themselves: keys, types, widths, concepts, and what is empty."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Double,
    Integer,
    Select,
    String,
    Table,
    and_,
    case,
    exists,
    func,
    inspect,
    literal,
    literal_column,
    or_,
    select,
)

from cdm.quality.findings import Check
from cdm.schema import (
    concept,
    condition_era,
    condition_occurrence,
    image_acquisition,
    image_feature,
    image_occurrence,
    measurement,
    metadata,
    observation_period,
    person,
)

IMAGING = (image_occurrence, image_feature, image_acquisition)
NUMERIC = (Integer, BigInteger, Double)


def required(table: Table) -> Iterator[Check]:
    """A required value is there."""
    for column in table.c:
        if not column.nullable:
            yield Check("isRequired", table, column.name, column.is_(None))


def keys(connection: Connection, table: Table) -> Iterator[Check]:
    """A key stands once, which is counted where the database does not see to it."""
    columns = list(table.primary_key.columns)
    if len(columns) == 1:
        there = inspect(connection).get_pk_constraint(table.name)["constrained_columns"]
        kept = there == [columns[0].name]
        twice = func.max(literal(0)) if kept else func.count(columns[0]) - func.count(columns[0].distinct())
        yield Check("isPrimaryKey", table, columns[0].name, violations=twice)


def types(table: Table, dialect: str) -> Iterator[Check]:
    """A value is of its type and width, which SQLite does not enforce."""
    for column in table.c:
        if isinstance(column.type, String) and column.type.length:
            wide = func.length(column) > column.type.length
            what = f"at most {column.type.length} characters"
            yield Check("cdmDatatype", table, column.name, wide, what=what)
        elif isinstance(column.type, NUMERIC) and dialect == "sqlite":
            not_a_number = column >= literal_column("''")  # SQLite orders all texts behind all numbers
            yield Check("cdmDatatype", table, column.name, not_a_number, what="a number")


def references(table: Table) -> Iterator[Check]:
    """A key that names a row of another table names one that is there."""
    for column in table.c:
        target = metadata.tables.get(column.info.get("references", ""))
        if target is None or target is concept:
            continue
        there = target.alias()
        key = there.c[target.primary_key.columns.keys()[0]]
        yield Check(
            *("isForeignKey", table, column.name),
            violations=_dangling(column, key).scalar_subquery(),
            what=f"a row of {target.name}",
        )


def _dangling(column: Column[Any], key: Column[Any]) -> Select[Any]:
    """How many rows name a key that is not there; of an indexed column each key is looked up once."""
    if column.index:
        each = select(column.label("key"), func.count().label("rows")).group_by(column).subquery()
        found = select(func.coalesce(func.sum(each.c.rows), 0))
        return found.where(each.c.key.is_not(None), ~exists().where(key == each.c.key))
    rows = column.table.alias()
    given = rows.c[column.name]
    joined = select(func.count()).select_from(rows.outerjoin(key.table, key == given))
    return joined.where(given.is_not(None), key.is_(None))


def concepts(table: Table) -> Iterator[Check]:
    """A concept is of its column's domain and class, standard and valid; unknown ones are not judged."""
    if table in IMAGING:
        return  # MI-CDM is a draft: it needs a procedure for a modality, and its vocabulary has measurements
    for column in table.c:
        if column.info.get("references") != "concept":
            continue
        if wanted := column.info.get("domain", ""):
            other = concept.c.domain_id.not_in(wanted.split(", "))
            yield Check("fkDomain", table, column.name, _concept_is(column, other), what=wanted)
        if wanted := column.info.get("concept_class", ""):
            other = concept.c.concept_class_id != wanted
            yield Check("fkClass", table, column.name, _concept_is(column, other), what=wanted)
        if "source" not in column.name:
            not_standard = or_(
                func.coalesce(concept.c.standard_concept, "") != "S", concept.c.invalid_reason.is_not(None)
            )
            yield Check("isStandardValidConcept", table, column.name, _concept_is(column, not_standard))


def _concept_is(column: ColumnElement[int], so: ColumnElement[bool]) -> ColumnElement[bool]:
    # Not EXISTS: a table has few concepts and many rows, so the few are looked up once.
    return and_(column != 0, column.in_(select(concept.c.concept_id).where(so)))


def mapped(table: Table) -> Iterator[Check]:
    """What a row is has a standard concept, and its source's code is kept and has its own concept."""
    for column in table.c:
        if not column.info.get("says_what"):
            continue
        is_feature = _is_feature_of_an_image() if table is measurement else None
        unmapped = column == 0 if is_feature is None else and_(column == 0, ~is_feature)
        yield Check("standardConceptRecordCompleteness", table, column.name, unmapped)
        prefix = column.name.removesuffix("_concept_id")
        value = table.c.get(f"{prefix}_source_value")
        if value is None:
            continue
        yield Check("sourceValueCompleteness", table, value.name, value.is_(None))
        source = table.c.get(f"{prefix}_source_concept_id")
        if source is not None:
            without = and_(func.coalesce(source, 0) == 0, value.is_not(None))
            if is_feature is not None:
                without = and_(without, ~is_feature)
            yield Check("sourceConceptRecordCompleteness", table, source.name, without)
    if table is person:
        yield Check("standardConceptRecordCompleteness", table, "gender_concept_id", _is_zero("gender"))


def _is_zero(prefix: str) -> ColumnElement[bool]:
    return person.c[f"{prefix}_concept_id"] == 0


def _is_feature_of_an_image() -> ColumnElement[bool]:
    """Whether a measurement is a feature of an image, for which no vocabulary has a concept."""
    features = select(image_feature.c.image_feature_event_id)
    features = features.where(image_feature.c.image_feature_event_id.is_not(None))
    return measurement.c.measurement_id.in_(features)


def filled(table: Table) -> Iterator[Check]:
    """How often an optional value is missing."""
    for column in table.c:
        if column.nullable:
            yield Check("measureValueCompleteness", table, column.name, column.is_(None))


def people_with(table: Table) -> Iterator[Check]:
    """How many people have no row in a table; everybody has an observation period."""
    if "person_id" in table.c and table is not person:
        rows = table.alias()
        nobody = ~exists().where(rows.c.person_id == person.c.person_id)
        if not table.c.person_id.index:  # read once, and not once per person
            having = select(rows.c.person_id).where(rows.c.person_id.is_not(None))
            nobody = person.c.person_id.not_in(having)
        tolerated = 0.0 if table is observation_period else None
        yield Check(
            "measurePersonCompleteness", person, "person_id", nobody, what=table.name, tolerated=tolerated
        )
    if table is condition_era:
        has = exists().where(condition_occurrence.c.person_id == person.c.person_id)
        era = exists().where(condition_era.c.person_id == person.c.person_id)
        affected = func.coalesce(func.sum(case((has, 1), else_=0)), 0)
        yield Check(
            "measureConditionEraCompleteness",
            person,
            "person_id",
            and_(has, ~era),
            of=affected,
            what="condition_era",
        )
