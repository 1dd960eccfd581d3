"""The table of a small hospital, by each kind of variable and rule of a cohort, on SQLite and PostgreSQL."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event

from cdm.database import connect, migrate, upsert, writing
from cdm.etl.identity import Identity
from cdm.etl.loader.load import load
from cdm.etl.record import SourceRecord
from cdm.schema import concept
from cdm.vocabulary.concepts import Vocabulary
from protocols.core.study import Study
from protocols.core.table import AnalysisTable, fold_hashes
from site_node.study_table import records
from site_node.study_table.build import Built, build_table
from site_node.study_table.cohort import evaluate
from site_node.study_table.people import People
from tests.lib.patients import condition, observation, patient, procedure, visit

IDENTITY = Identity(b"k" * 32)
PEOPLE = ("ann", "bob", "cai", "dee")
GLIOMA = {"domain": "condition", "concept": "ICD10CM:C71%"}
KPS, GRADE, STATUS = "LOINC:89243-0", "SNOMED:371469007", "LOINC:97509-4"
WORSE, STABLE = "SNOMED:271299001", "SNOMED:359746009"
NAN = float("nan")


def hospital() -> list[SourceRecord]:
    """Four people with a glioma of 2020-03-01, and eve without one."""
    return [
        patient("ann", gender="female", birthDate="1980-03-02", deceasedDateTime="2020-03-31"),
        patient("bob", gender="male", birthDate="1980", deceasedBoolean=False),
        patient("cai", gender="male", birthDate="1970-01"),
        patient("dee", deceasedBoolean=True),
        patient("eve", gender="female", birthDate="1990"),
        *(condition(name, "ICD10CM:C71.1", "2020-03-01") for name in PEOPLE),
        condition("bob", "ICD10CM:C71.9", "2020-05-01"),
        condition("eve", "ICD10CM:C72.0", "2020-03-01"),
        *(visit(name, "2020-03-01") for name in PEOPLE),
        visit("bob", "2020-06-09"),
        visit("cai", "2020-06-09"),
        procedure("bob", "SNOMED:108290001", "2020-03-31"),
        procedure("cai", "local:resection", "2020-02-20"),
        observation("ann", KPS, "2020-03-01", 90),
        observation("ann", KPS, "2020-04-01", 60),
        observation("bob", KPS, "2020-02-01", 100),
        observation("cai", KPS, "2020-03-01", None),
        observation("ann", GRADE, "2020-03-01", "local:G3"),
        observation("bob", GRADE, "2020-03-01", "local:G2"),
        observation("bob", GRADE, "2020-04-01", "local:G3"),
        observation("cai", GRADE, "2020-03-01", None),
        observation("ann", STATUS, "2020-03-11", STABLE),
        observation("bob", STATUS, "2020-04-10", WORSE),
        observation("cai", STATUS, "2020-03-21", STABLE),
    ]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def cdm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The hospital, loaded once: building a table only reads."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('hospital') / 'cdm.sqlite'}"
    else:
        url = request.getfixturevalue("postgresql").create()
    engine = connect(url)
    migrate(engine)
    load(engine, hospital(), "fhir", IDENTITY)
    yield engine
    engine.dispose()


def study(variables: dict[str, Any], *rules: dict[str, Any], **index: Any) -> Study:
    summary = {"name": "n", "spec": {"protocol": "summary", "of": ["age"]}}
    return Study.model_validate(
        {
            "name": "s",
            "title": "S",
            "cohort": {"index": {**GLIOMA, **index}, "rules": rules},
            "variables": {"age": {"kind": "age"}, **variables},
            "analyses": [summary],
        }
    )


def by_name(table: AnalysisTable, column: str) -> list[float]:
    """The column in the order of PEOPLE."""
    rows = [int(np.searchsorted(table.persons, IDENTITY.person_id("fhir", name))) for name in PEOPLE]
    return [table.column(column)[row] for row in rows]


def build(engine: Engine, **variable: Any) -> list[float]:
    """The one column that a variable becomes, in the order of PEOPLE."""
    return by_name(build_table(engine, study({"x": variable}), "site").table, "x")


def same(found: list[float], expected: list[float]) -> bool:
    return bool(np.array_equal(found, expected, equal_nan=True))


def test_the_cohort_is_dated_by_its_index_event(cdm: Engine) -> None:
    assert same(by_name(build_table(cdm, study({}), "site").table, "age"), [39, 40, 50, NAN])
    assert len(build_table(cdm, study({}), "site").table) == len(PEOPLE)
    with cdm.connect() as connection:
        definition = study({}, pick="last").cohort
        people = evaluate(connection, definition, Vocabulary(cdm)).people
    assert sorted(str(day) for day in people.index) == ["2020-03-01"] * 3 + ["2020-05-01"]


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ({"kind": "sex", "is": "female"}, [1, 0, 0, NAN]),
        ({"kind": "measurement", "concept": KPS}, [90, 100, NAN, NAN]),
        ({"kind": "measurement", "concept": KPS, "pick": "last"}, [60, 100, NAN, NAN]),
        ({"kind": "measurement", "concept": KPS, "pick": "mean"}, [75, 100, NAN, NAN]),
        ({"kind": "measurement", "concept": KPS, "window": {"from_days": 0}}, [90, NAN, NAN, NAN]),
        ({"kind": "finding", "concept": GRADE, "values": ["G3"]}, [1, 0, NAN, NAN]),
        ({"kind": "finding", "concept": GRADE, "values": ["G3"], "pick": "any"}, [1, 1, NAN, NAN]),
        ({"kind": "finding", "concept": GRADE, "values": ["local:G2", "G4"]}, [0, 1, NAN, NAN]),
        ({"kind": "finding", "concept": STATUS, "values": [WORSE]}, [0, 1, 0, NAN]),
        ({"kind": "occurrence", "domain": "procedure", "concept": "SNOMED:108290001"}, [0, 1, 0, 0]),
        ({"kind": "occurrence", "domain": "procedure", "concept": "local:resec%"}, [0, 0, 1, 0]),
        ({"kind": "occurrence", "domain": "condition", "concept": "ICD10CM:C71.9"}, [0, 1, 0, 0]),
        (
            {
                "kind": "occurrence",
                "domain": "procedure",
                "concept": "local:resection",
                "window": {"from_days": 0},
            },
            [0, 0, 0, 0],
        ),
        ({"kind": "gene", "gene": "IDH1"}, [NAN] * 4),
        ({"kind": "image_feature", "feature": "vasari_f5"}, [NAN] * 4),
    ],
)
def test_a_variable_becomes_a_column(cdm: Engine, variable: dict[str, Any], expected: list[float]) -> None:
    assert same(build(cdm, **variable), expected)


def test_survival_becomes_time_and_event(cdm: Engine) -> None:
    variables = {
        "os": {"kind": "survival", "endpoint": "overall"},
        "pfs": {"kind": "survival", "endpoint": "progression_free"},
    }
    table = build_table(cdm, study(variables), "site").table
    # Of cai nobody says whether he lives; dee is dead, nobody says since when.
    assert same(by_name(table, "os.time"), [30, 100, NAN, NAN])
    assert same(by_name(table, "os.event"), [1, 0, NAN, NAN])
    assert same(by_name(table, "pfs.time"), [30, 40, 20, NAN])
    assert same(by_name(table, "pfs.event"), [1, 1, 0, NAN])


C71_9 = {"domain": "condition", "concept": "ICD10CM:C71.9"}  # bob, 61 days after
C71_1 = {"domain": "condition", "concept": "ICD10CM:C71.1"}  # everybody, on the index date
IRRADIATION = {"domain": "procedure", "concept": "SNOMED:108290001"}  # bob, 30 days after


@pytest.mark.parametrize(
    ("endpoint", "events", "time", "found"),
    [
        ("recurrence_free", [C71_9], [30, 61, NAN, NAN], [1, 1, NAN, NAN]),
        ("disease_free", [C71_9, IRRADIATION], [30, 30, NAN, NAN], [1, 1, NAN, NAN]),
        ("metastasis_free", [C71_1, C71_9], [NAN] * 4, [NAN] * 4),
        ("local_control", [C71_9], [30, 61, NAN, NAN], [0, 1, NAN, NAN]),
        ("next_treatment", [C71_1], [30, 100, NAN, NAN], [1, 0, NAN, NAN]),
        ("next_treatment", [IRRADIATION], [30, 30, NAN, NAN], [1, 1, NAN, NAN]),
    ],
)
def test_an_outcome_that_a_study_names_ends_with_its_first_record(
    cdm: Engine, endpoint: str, events: list[dict[str, str]], time: list[float], found: list[float]
) -> None:
    variables = {"it": {"kind": "survival", "endpoint": endpoint, "events": events}}
    table = build_table(cdm, study(variables), "site").table
    assert same(by_name(table, "it.time"), time)
    assert same(by_name(table, "it.event"), found)


@pytest.mark.parametrize(
    ("endpoint", "events", "word"), [("local_control", [], "needs"), ("overall", [C71_9], "no `events`")]
)
def test_an_outcome_has_the_events_that_its_rule_needs(
    endpoint: str, events: list[dict[str, str]], word: str
) -> None:
    with pytest.raises(ValueError, match=word):
        study({"it": {"kind": "survival", "endpoint": endpoint, "events": events}})


def test_studies_from_before_events_keep_their_hash() -> None:
    plain = study({"os": {"kind": "survival", "endpoint": "overall"}})
    assert b"events" not in plain.canonical()


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ({"kind": "age", "at_least": 40, "at_most": 49}, 1),
        ({"kind": "sex", "is": "male"}, 2),
        ({"kind": "record", "domain": "measurement", "concept": KPS}, 3),
        ({"kind": "record", "domain": "measurement", "concept": [KPS, STATUS], "from_days": 5}, 3),
        ({"kind": "record", "domain": "procedure", "concept": "local:resection", "absent": True}, 3),
        ({"kind": "imaging", "modality": "MR"}, 0),
        ({"kind": "gene", "gene": "IDH1"}, 0),
        ({"kind": "follow_up", "at_least_days": 30}, 3),
        ({"kind": "follow_up", "at_least_days": 31}, 2),
    ],
)
def test_a_rule_narrows_the_cohort_and_is_counted(cdm: Engine, rule: dict[str, Any], kept: int) -> None:
    built = build_table(cdm, study({}, {"name": "the rule", **rule}), "site")
    assert built.attrition == [("index event", 4), ("the rule", kept)]
    assert len(built.table) == kept


def test_folds_hang_on_the_study_and_the_person(cdm: Engine) -> None:
    asked = study({})
    table = build_table(cdm, asked, "site").table
    expected = fold_hashes(table.persons, bytes.fromhex(asked.hash()))
    np.testing.assert_array_equal(table.fold_hashes, expected)
    assert (np.diff(table.persons) > 0).all()


def test_a_hospital_without_such_people_has_an_empty_table(engine: Engine) -> None:
    variables = {
        "os": {"kind": "survival", "endpoint": "overall"},
        "kps": {"kind": "measurement", "concept": KPS},
        "gene": {"kind": "gene", "gene": "IDH1"},
        "scanner": {"kind": "scanner", "modality": "MR"},
    }
    built: Built = build_table(engine, study(variables), "site")
    assert (len(built.table), built.attrition) == (0, [("index event", 0)])
    assert built.table.column("os.time").shape == (0,)


def test_a_cohort_is_asked_for_at_once_however_large(cdm: Engine) -> None:
    persons = np.iinfo(np.int64).max - np.arange(30_000)[::-1]
    index = np.full(len(persons), np.datetime64("2020-01-01"), dtype="datetime64[D]")
    with cdm.connect() as connection:
        people = People(connection, Vocabulary(cdm), persons, index)
        assert not records.occurred(people, "procedure", ["SNOMED:108290001"]).any()


def test_statements_do_not_grow_with_people(cdm: Engine) -> None:
    def statements(concept: str) -> int:
        seen: list[str] = []

        def remember(*arguments: Any) -> None:
            seen.append(arguments[2])

        event.listen(cdm, "before_cursor_execute", remember)
        asked = study({"kps": {"kind": "measurement", "concept": KPS}}, concept=concept)
        people = len(build_table(cdm, asked, "site").table)
        event.remove(cdm, "before_cursor_execute", remember)
        assert people == (1 if concept.endswith("9") else 4)
        return len(seen)

    assert statements("ICD10CM:C71%") == statements("ICD10CM:C71.9")


def test_concepts_count_where_the_vocabulary_knows_the_code(sqlite_engine: Engine) -> None:
    """A site with a vocabulary finds a row by its concept, whatever code its source wrote."""
    ids = {"LOINC": (3019171, "89243-0"), "SNOMED": (4171972, "371469007")}
    rows = [
        {
            "concept_id": concept_id,
            "concept_name": code,
            "domain_id": "Measurement",
            "vocabulary_id": vocabulary,
            "concept_class_id": "x",
            "standard_concept": "S",
            "concept_code": code,
            "valid_start_date": np.datetime64("1970-01-01").astype(object),
            "valid_end_date": np.datetime64("2099-12-31").astype(object),
        }
        for vocabulary, (concept_id, code) in ids.items()
    ]
    with writing(sqlite_engine) as connection:
        upsert(connection, concept, rows)
    load(sqlite_engine, hospital(), "fhir", IDENTITY)
    with writing(sqlite_engine) as connection:
        connection.exec_driver_sql("UPDATE measurement SET measurement_source_value = 'KPS'")
        connection.exec_driver_sql("UPDATE observation SET observation_source_value = 'grade'")
    assert same(build(sqlite_engine, kind="measurement", concept=KPS), [90, 100, NAN, NAN])
    assert same(build(sqlite_engine, kind="finding", concept=GRADE, values=["G3"]), [1, 0, NAN, NAN])
