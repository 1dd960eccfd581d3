"""A CDM of drawn people: 140 measurements, 60 other records each, a vocabulary, images, genes, provenance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from cdm.database import append, writing
from cdm.etl.genomics.genomic_profile import block_of, pack
from cdm.etl.imaging.image_feature import MEASUREMENT_TABLE, radiomic_name
from cdm.etl.loader.indexes import repack_codes
from cdm.etl.loader.periods import derive
from cdm.schema import metadata

PEOPLE_AT_ONCE = 5_000
FIRST_DAY, LAST_DAY = np.datetime64("2012-01-01"), np.datetime64("2024-06-30")
SPAN_DAYS = int((LAST_DAY - FIRST_DAY).astype(int))
EHR, LESS_THAN, FEMALE, MALE = 32817, 4171756, 8532, 8507
GENES = ("IDH1", "TP53", "EGFR", "PTEN", "ATRX", "NF1", "PIK3CA", "KRAS")
FEATURES = ("stat_mean", "stat_var", "morph_volume", "cm_joint_entr_3D_avg")
SCORE = "vasari_f5"
# LOINC code, its unit as a rule and now and then, mean, share of all; the first ones are asked for.
LABORATORY = (
    ("8480-6", "mm[Hg]", None, 125.0, 0.09),
    ("8462-4", "mm[Hg]", None, 78.0, 0.09),
    ("29463-7", "kg", "[lb_av]", 80.0, 0.07),
    ("718-7", "g/dL", "g/L", 14.0, 0.05),
    ("2160-0", "mg/dL", None, 1.0, 0.05),
    ("2345-7", "mg/dL", None, 99.0, 0.05),
    ("777-3", "10*3/uL", "10*9/L", 250.0, 0.04),
    ("89243-0", "{score}", None, 85.0, 0.03),
    *((f"90{number:03}-0", "mg/dL", None, 10.0 + number, 0.53 / 40) for number in range(40)),
)
# SNOMED code of a diagnosis; a study's is the first, those of an ATLAS cohort come after it.
CONDITIONS = tuple(str(400_000_000 + number) for number in range(60))
PROCEDURES = tuple(str(410_000_000 + number) for number in range(40))
DRUGS = tuple(str(1_000_000 + number) for number in range(40))
STATUS, VITAL = "97509-4", "67162-8"
WORSE, STABLE, ALIVE = "271299001", "359746009", "438949009"
GRADE = "371469007"


@dataclass(frozen=True)
class Code:
    """A code of a vocabulary with the concept that the drawn vocabulary gives it."""

    vocabulary_id: str
    code: str
    concept_id: int
    domain: str

    @property
    def written(self) -> str:
        """As the ETL writes it."""
        return f"{self.vocabulary_id}:{self.code}"


def _codes() -> list[Code]:
    named = [
        *(("LOINC", one[0], "Measurement") for one in LABORATORY),
        *(("LOINC", one, "Observation") for one in (STATUS, VITAL)),
        *(("SNOMED", one, "Condition") for one in CONDITIONS),
        *(("SNOMED", one, "Procedure") for one in PROCEDURES),
        *(("SNOMED", one, "Observation") for one in (WORSE, STABLE, ALIVE, GRADE)),
        *(("RxNorm", one, "Drug") for one in DRUGS),
        *(("UCUM", one, "Unit") for one in sorted({u for lab in LABORATORY for u in lab[1:3] if u})),
    ]
    return [Code(*name[:2], 40_000_000 + place, name[2]) for place, name in enumerate(named)]


CODES = {(one.vocabulary_id, one.code): one for one in _codes()}


def make(engine: Engine, people: int, seed: int = 1) -> None:
    """Fill an empty, migrated CDM with so many people; about 200 rows per person."""
    with writing(engine) as connection:
        _vocabulary(connection)
    for start in range(0, people, PEOPLE_AT_ONCE):
        with writing(engine) as connection:
            _Draw(connection, start, min(PEOPLE_AT_ONCE, people - start), seed).write()
    derive(engine)
    repack_codes(engine)  # as at the end of every load that brings so much
    if engine.dialect.name == "postgresql":  # what its autovacuum does within a minute
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _add(connection: Connection, table: str, columns: dict[str, Any], count: int) -> None:
    """Write `count` rows; a column is an array, a list, or one value for all."""
    of = metadata.tables[table]
    cells = [list(_column(values, count)) for values in columns.values()]
    append(connection, of, tuple(columns), zip(*cells, strict=True))


def _column(values: Any, count: int) -> Sequence[Any]:
    if isinstance(values, np.ndarray):
        of_days = values.dtype.kind == "M"
        found: list[Any] = (np.datetime_as_string(values) if of_days else values).tolist()
        return found
    return values if isinstance(values, list) else [values] * count


def _vocabulary(connection: Connection) -> None:
    codes = list(CODES.values())
    ids = [one.concept_id for one in codes]
    _add(
        connection,
        "concept",
        {
            "concept_id": ids,
            "concept_name": [one.code for one in codes],
            "domain_id": [one.domain for one in codes],
            "vocabulary_id": [one.vocabulary_id for one in codes],
            "concept_class_id": ["Ingredient" if one.domain == "Drug" else "Test" for one in codes],
            "standard_concept": "S",
            "concept_code": [one.code for one in codes],
            "valid_start_date": "1970-01-01",
            "valid_end_date": "2099-12-31",
        },
        len(codes),
    )
    levels = {"min_levels_of_separation": 0, "max_levels_of_separation": 0}
    pair = {"ancestor_concept_id": ids, "descendant_concept_id": ids}
    _add(connection, "concept_ancestor", {**pair, **levels}, len(codes))


class _Draw:
    """Some people and their rows."""

    def __init__(self, connection: Connection, start: int, people: int, seed: int) -> None:
        self.connection = connection
        self.random = np.random.default_rng((seed, start))
        self.names = [f"p{number}" for number in range(start, start + people)]
        self.persons = self._keys(people)
        self.born = self.random.integers(1930, 2000, people)
        self.visits: dict[str, NDArray[Any]] = {}

    def write(self) -> None:
        self._people()
        self._records("visit_occurrence", 12, ())
        self._records("condition_occurrence", 10, [("SNOMED", one) for one in CONDITIONS])
        self._records("procedure_occurrence", 15, [("SNOMED", one) for one in PROCEDURES])
        self._records("drug_exposure", 10, [("RxNorm", one) for one in DRUGS])
        self._measurements(140)
        self._statuses()
        self._images()
        self._genomes()

    def _keys(self, count: int) -> NDArray[np.int64]:
        return self.random.integers(1, 2**62, count)

    def _people(self) -> None:
        people = len(self.persons)
        sex = self.random.choice((FEMALE, MALE), people)
        born = {"year_of_birth": self.born, "month_of_birth": self.random.integers(1, 13, people)}
        unknown = dict.fromkeys(("race_concept_id", "ethnicity_concept_id"), 0)
        person = {"person_id": self.persons, "gender_concept_id": sex, **born, **unknown}
        _add(self.connection, "person", person, people)
        link = {"source": "fhir", "source_person_id": self.names, "person_id": self.persons}
        _add(self.connection, "person_link", link, people)
        record = {
            "source_record_id": self._keys(people),
            "source": "fhir",
            "kind": "Patient",
            "record_id": self.names,
            "content_hash": "0" * 48,
            "run_id": 1,
            "deleted": False,
        }
        _add(self.connection, "source_record", record, people)
        row = {"source_record_id": record["source_record_id"], "table_name": "person", "row_id": self.persons}
        _add(self.connection, "source_row", row, people)
        dead = self.random.random(people) < 0.1
        died = {"person_id": self.persons[dead], "death_date": self._days(int(dead.sum()), SPAN_DAYS - 300)}
        _add(self.connection, "death", died, int(dead.sum()))

    def _days(self, count: int, first: int = 0) -> NDArray[np.datetime64]:
        return FIRST_DAY + self.random.integers(first, SPAN_DAYS, count)

    def _records(self, table: str, each: int, codes: Sequence[tuple[str, str]]) -> None:
        of = metadata.tables[table]
        prefix = table.split("_", 1)[0]
        owners = np.repeat(self.persons, each)
        count = len(owners)
        key = self._keys(count)
        visit, days = self._visited(each) if codes else (None, self._days(count))
        start = next(one.name for one in of.c if one.name.endswith("_date"))
        columns: dict[str, Any] = {
            f"{table}_id": key,
            "person_id": owners,
            start: days,
            f"{prefix}_type_concept_id": EHR,
        }
        if (end := start.replace("_start_", "_end_")) != start:
            columns[end] = days + self.random.integers(0, 30, count)
        if codes:
            known = [CODES[one] for one in codes]
            place = (len(known) * self.random.random(count) ** 1.5).astype(int)
            columns |= self._coded(prefix, known, place)
            columns["visit_occurrence_id"] = visit
        else:
            columns |= {f"{prefix}_concept_id": self.random.choice((9201, 9202, 9203), count)}
            self.visits = {"key": key.reshape(-1, each), "day": days.reshape(-1, each)}
        _add(self.connection, table, columns, count)

    def _visited(self, each: int) -> tuple[NDArray[np.int64], NDArray[np.datetime64]]:
        """A visit for each record, and the record's day, which lies in the visit nine times of ten."""
        chosen = self.random.integers(0, self.visits["key"].shape[1], (len(self.persons), each))
        key, day = (np.take_along_axis(self.visits[name], chosen, axis=1).ravel() for name in ("key", "day"))
        other = self.random.random(len(key)) < 0.1
        return key, np.where(other, self._days(len(key)), day)

    @staticmethod
    def _coded(prefix: str, known: list[Code], place: NDArray[np.int64]) -> dict[str, Any]:
        ids = np.array([one.concept_id for one in known])[place]
        written = np.array([one.written for one in known])[place]
        return {
            f"{prefix}_concept_id": ids,
            f"{prefix}_source_concept_id": ids,
            f"{prefix}_source_value": written,
        }

    def _measurements(self, each: int) -> None:
        owners = np.repeat(self.persons, each)
        count = len(owners)
        shares = np.array([one[4] for one in LABORATORY])
        place = self.random.choice(len(LABORATORY), count, p=shares / shares.sum())
        other = self.random.random(count) < 0.1
        units = [[one[1], one[2] or one[1]] for one in LABORATORY]
        codes = np.array([[CODES["UCUM", u].concept_id for u in pair] for pair in units])
        visit, days = self._visited(each)
        seconds = self.random.integers(0, 86_400, count)
        moments = np.datetime_as_string(days.astype("datetime64[s]") + seconds)
        moments = np.char.replace(moments, "T", " ")
        timed = self.random.random(count) < 0.8
        values = np.array([one[3] for one in LABORATORY])[place] * self.random.normal(1, 0.15, count)
        columns = {
            "measurement_id": self._keys(count),
            "person_id": owners,
            "measurement_date": days,
            "measurement_datetime": [
                f"{one}.000000" if known else None
                for one, known in zip(moments.tolist(), timed.tolist(), strict=True)
            ],
            "measurement_type_concept_id": EHR,
            "operator_concept_id": [
                LESS_THAN if one else None for one in (self.random.random(count) < 0.01).tolist()
            ],
            "value_as_number": np.round(values, 1),
            "unit_concept_id": codes[place, other.astype(int)],
            "unit_source_value": np.array(units)[place, other.astype(int)],
            "visit_occurrence_id": visit,
            **self._coded("measurement", [CODES["LOINC", one[0]] for one in LABORATORY], place),
        }
        _add(self.connection, "measurement", columns, count)

    def _statuses(self) -> None:
        """What is observed: alive, how the disease goes, the grade of a tumour."""
        people = len(self.persons)
        asked = [("LOINC", VITAL), ("LOINC", STATUS), ("LOINC", STATUS), ("SNOMED", GRADE)]
        for place, code in enumerate(asked):
            answers = {VITAL: [ALIVE], STATUS: [WORSE, STABLE], GRADE: ["G2", "G3", "G4"]}[code[1]]
            chosen = self.random.choice(answers, people)
            known = [CODES.get(("SNOMED", one)) for one in chosen.tolist()]
            answer = [one.written if one else text for one, text in zip(known, chosen.tolist(), strict=True)]
            columns = {
                "observation_id": self._keys(people),
                "person_id": self.persons,
                "observation_date": self._days(people, SPAN_DAYS // 2),
                "observation_type_concept_id": EHR,
                "value_source_value": answer,
                "value_as_concept_id": [one.concept_id if one else None for one in known],
                **self._coded("observation", [CODES[code]], np.zeros(people, int)),
            }
            _add(self.connection, "observation", columns, people)
            assert place < len(asked)

    def _images(self) -> None:
        """One series each of two thirds, with its features as measurements."""
        imaged = self.persons[self.random.random(len(self.persons)) < 0.66]
        count, days = len(imaged), self._days(len(imaged))
        series = self._keys(count)
        numbers = series.tolist()
        image = {
            "image_occurrence_id": series,
            "person_id": imaged,
            "procedure_occurrence_id": series,
            "image_occurrence_date": days,
            "image_study_uid": [f"1.2.{one}" for one in numbers],
            "image_series_uid": [f"1.2.3.{one}" for one in numbers],
            "modality_concept_id": 0,
        }
        _add(self.connection, "image_occurrence", image, count)
        makers = self.random.choice(("SIEMENS", "Philips", "GE MEDICAL SYSTEMS"), count)
        header = {"image_occurrence_id": series, "modality": "MR", "manufacturer": makers}
        _add(self.connection, "image_acquisition", header, count)
        for name in (*(radiomic_name("MR", "GTV", one, "none") for one in FEATURES), SCORE):
            key = self._keys(count)
            value = {
                "measurement_id": key,
                "person_id": imaged,
                "measurement_concept_id": 0,
                "measurement_date": days,
                "measurement_type_concept_id": EHR,
                "value_as_number": self.random.normal(size=count),
                "measurement_source_value": name,
            }
            _add(self.connection, "measurement", value, count)
            feature = {
                "image_feature_id": key,
                "person_id": imaged,
                "image_occurrence_id": series,
                "image_feature_concept_id": 0,
                "image_feature_type_concept_id": EHR,
                "image_feature_event_field_concept_id": MEASUREMENT_TABLE,
                "image_feature_event_id": key,
            }
            _add(self.connection, "image_feature", feature, count)

    def _genomes(self) -> None:
        """An exome each of two fifths, with eight variants, and the expression of some genes."""
        tested = self.persons[self.random.random(len(self.persons)) < 0.4]
        tests = self._keys(len(tested))
        test = {
            "genomic_test_id": tests,
            "person_id": tested,
            "target_scope": "exome",
            "target_megabases": 30.0,
        }
        _add(self.connection, "genomic_test", test, len(tested))
        owners, of = np.repeat(tested, 8), np.repeat(tests, 8)
        count = len(owners)
        variant = {
            "variant_occurrence_id": self._keys(count),
            "person_id": owners,
            "genomic_test_id": of,
            "target_gene1_symbol": self.random.choice((*GENES, *(f"GENE{n}" for n in range(200))), count),
            "chromosome": "2",
            "position": self.random.integers(1, 10**8, count),
            "reference_allele": "C",
            "alternate_allele": "T",
            "variant_classification": self.random.choice(("Missense_Mutation", "Silent"), count),
        }
        _add(self.connection, "variant_occurrence", variant, count)
        profile = {
            "genomic_profile_id": self._keys(len(tested)),
            "person_id": tested,
            "genomic_test_id": tests,
            "quantity": "tpm",
            "block": block_of(GENES[2]),
            "content": [
                pack([GENES[2], *(f"G{n}" for n in range(60))], one)
                for one in self.random.gamma(2.0, 10.0, (len(tested), 61)).astype(np.float32)
            ],
        }
        _add(self.connection, "genomic_profile", profile, len(tested))
