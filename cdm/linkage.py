"""How many people have clinical, imaging and genomic data, and all of it: what can be linked."""

from sqlalchemy import ColumnElement, Engine, Table, and_, case, exists, func, or_, select, true

from cdm.schema import (
    condition_occurrence,
    drug_exposure,
    genomic_test,
    image_feature,
    image_occurrence,
    measurement,
    observation,
    person,
    visit_occurrence,
)

# Not procedures: the ETL makes one of every imaging study.
CLINICAL = (condition_occurrence, drug_exposure, observation, visit_occurrence)


def funnel(engine: Engine) -> dict[str, int]:
    """The number of people by what there is of them, from everybody to all three kinds."""
    features = image_feature.c.image_feature_event_id
    of_an_image = select(features).where(features.is_not(None))
    measured = exists().where(
        measurement.c.person_id == person.c.person_id, measurement.c.measurement_id.not_in(of_an_image)
    )
    clinical = or_(*(_has(table) for table in CLINICAL), measured)
    images, genome = _has(image_occurrence), _has(genomic_test)
    steps = {
        "people": true(),
        "clinical": clinical,
        "imaging": images,
        "image features": _has(image_feature),
        "genomic": genome,
        "clinical and imaging": and_(clinical, images),
        "clinical and genomic": and_(clinical, genome),
        "imaging and genomic": and_(images, genome),
        "clinical, imaging and genomic": and_(clinical, images, genome),
    }
    counts = (func.coalesce(func.sum(case((step, 1), else_=0)), 0) for step in steps.values())
    with engine.connect() as connection:
        answer = connection.execute(select(*counts).select_from(person)).one()
    return {name: int(count) for name, count in zip(steps, answer, strict=True)}


def _has(table: Table) -> ColumnElement[bool]:
    return exists().where(table.c.person_id == person.c.person_id)
