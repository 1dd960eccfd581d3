"""Radiomic features of every region on every loaded image: computed once, kept in the CDM.

The features of one region on one image are one record of the loader, so that they are replaced, quarantined
and accounted for like all else. `alg_system` names the engine, its version, the settings and the input; a
region for which it stands in the CDM already is skipped. An image that fails goes to quarantine, and the
others go on. How a number is stored and named is written down in cdm/etl/imaging/image_feature.py.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, distinct, func, select

from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord, Unreadable
from cdm.schema import image_acquisition, image_feature, image_occurrence, observation, quarantine
from site_node.features.radiomics import ENGINE, Settings
from site_node.images.cases import (
    Case,
    Outcome,
    Patterns,
    Place,
    cases,
    killed,
    measure,
    measure_in_bytes,
    outcomes_of,
)
from site_node.images.cluster import run_on_cluster
from site_node.images.parallel import run_each
from site_node.sources.dicom.index import read_index
from site_node.sources.dicom.meaning import IMAGES

SOURCE, KIND = "radiomics", "RadiomicFeatures"
BATCH = 4  # regions a transaction: what a kill may cost
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Computed:
    """What one `compute` did, in regions; a region is either computed, skipped or failed."""

    computed: int
    skipped: int
    failed: int
    features: int


def compute(
    engine: Engine,
    home: Path,
    identity: Identity,
    *,
    settings: Settings | None = None,
    patterns: Patterns | None = None,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Computed:
    """What was computed, skipped and failed, after every region on every image of the site has been visited.

    `settings` None stands for each modality's preset; `patterns` says under which names regions are measured,
    None all under their own; `cluster`, the address of a Dask cluster, stands in place of `jobs` processes;
    `progress` is told images done and images to do.
    """
    done = _algorithms(engine)
    wanted = list(cases(read_index(home), _places(engine), patterns or {}, settings))
    pending = [case for case in (_without(case, done) for case in wanted) if case.regions]
    pending.sort(key=lambda case: -len(case.files))  # the longest first, so that no process ends alone
    if cluster is not None:
        measured = _from_cluster(pending, cluster)
    else:
        measured = run_each(measure, pending, max(1, min(jobs, len(pending))))
    counted = {"features": 0}

    def records() -> Iterator[SourceRecord | Unreadable]:
        for number, (case, outcomes) in enumerate(measured, start=1):
            for outcome in killed(case) if outcomes is None else outcomes:
                counted["features"] += len(outcome.features)
                yield _record(case, outcome)
            progress(number, len(pending))

    progress(0, len(pending))
    counts = load(engine, records(), SOURCE, identity, batch_size=BATCH).kinds[KIND]
    regions, left = _count(wanted), _count(pending)
    return Computed(left - counts.quarantined, regions - left, counts.quarantined, counted["features"])


def _from_cluster(pending: list[Case], address: str) -> Iterator[tuple[Case, list[Outcome] | None]]:
    for case, said in run_on_cluster(measure_in_bytes, pending, address):
        yield case, None if said is None else outcomes_of(case, said)


def _places(engine: Engine) -> list[Place]:
    """The image series of the CDM whose header was loaded."""
    columns = image_occurrence.c
    statement = (
        select(
            columns.image_occurrence_id,
            columns.person_id,
            columns.image_occurrence_date,
            image_acquisition.c.modality,
            columns.image_series_uid,
        )
        .join_from(image_occurrence, image_acquisition, _same_series)
        .where(image_acquisition.c.modality.in_(IMAGES.values()))
        .order_by(columns.image_occurrence_id)
    )
    with engine.connect() as connection:
        return [Place(*row) for row in connection.execute(statement)]


def _algorithms(engine: Engine) -> set[tuple[int, str]]:
    """(image_occurrence_id, alg_system) of the features in the CDM."""
    columns = image_feature.c
    statement = select(columns.image_occurrence_id, columns.alg_system).distinct().where(_is_ours())
    with engine.connect() as connection:
        return {(key, algorithm) for key, algorithm in connection.execute(statement)}


def _without(case: Case, done: set[tuple[int, str]]) -> Case:
    key = case.place.image_occurrence_id
    return replace(case, regions=tuple(r for r in case.regions if (key, r.algorithm) not in done))


def _count(found: Iterable[Case]) -> int:
    return sum(len(case.regions) for case in found)


def _record(case: Case, outcome: Outcome) -> SourceRecord | Unreadable:
    place, region = case.place, outcome.region
    # a map of an image is measured beside the image itself
    name = f"{region.name}/{case.settings.map.map}" if case.settings.map else region.name
    position = f"{region.file[-180:]}:{name}"
    if outcome.fault:
        return Unreadable(KIND, position, *outcome.fault)
    body = {
        "image_occurrence_id": place.image_occurrence_id,
        "person_id": place.person_id,
        "date": place.day.isoformat(),
        "modality": place.modality,
        "region": region.word or region.name,
        "algorithm": region.algorithm,
        "computed_at": datetime.now(UTC).replace(tzinfo=None, microsecond=0).isoformat(),
        "features": list(outcome.features),
    }
    return SourceRecord(KIND, f"{place.image_occurrence_id}/{name}"[:255], position, body)


def status(engine: Engine) -> list[dict[str, Any]]:
    """One row per modality: image series, how many have regions and features, and how many numbers."""
    columns = image_feature.c
    with_region = func.count(distinct(observation.c.observation_id))
    rows = []
    with engine.connect() as connection:
        for modality in sorted(set(IMAGES.values())):
            series = select(image_acquisition.c.image_occurrence_id).where(
                image_acquisition.c.modality == modality
            )
            of_modality = columns.image_occurrence_id.in_(series)
            images = connection.scalar(select(func.count()).select_from(series.subquery()))
            drawn = select(func.count(distinct(columns.image_occurrence_id)), with_region).join_from(
                image_feature, observation, columns.image_feature_event_id == observation.c.observation_id
            )
            ours = select(func.count(distinct(columns.image_occurrence_id)), func.count()).where(_is_ours())
            drawn_on, regions = connection.execute(drawn.where(of_modality)).one()
            measured, features = connection.execute(ours.where(of_modality)).one()
            rows.append(
                {
                    "modality": modality,
                    "images": images,
                    "images_with_regions": drawn_on,
                    "regions": regions,
                    "images_measured": measured,
                    "features": features,
                }
            )
    return rows


def failures(engine: Engine) -> list[dict[str, Any]]:
    """How many regions could not be measured, one row per reason."""
    columns = quarantine.c
    statement = (
        select(columns.code, columns.reason, func.count().label("regions"))
        .where(columns.kind == KIND, columns.resolved.is_(False))
        .group_by(columns.code, columns.reason)
        .order_by(columns.code)
    )
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


_same_series = image_acquisition.c.image_occurrence_id == image_occurrence.c.image_occurrence_id


def _is_ours() -> Any:
    return image_feature.c.alg_system.startswith(ENGINE + " ")
