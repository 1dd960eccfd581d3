"""What a mapper may know beside its record: whose source it is, the site's keys, and the vocabulary."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from cdm.etl.fhir.words.plain_references import result_name
from cdm.etl.identity import SEPARATOR, Identity
from cdm.etl.profile import Profile
from cdm.etl.record import Body, Row, Unmappable
from cdm.vocabulary.concepts import Resolution, Vocabulary
from cdm.vocabulary.doubts import DOUBTS

NAME_LENGTH = 255
REMEMBERED = 200_000  # bounds the memory of a load, however many people and codes it has


class Context:
    """Keys and concepts for the mappers of one load; it remembers who was named and what met no concept.

    `find` gives the body of another record of the source, None where there is none (yet). `today` bounds what
    can have happened.
    """

    def __init__(
        self,
        source: str,
        identity: Identity,
        vocabulary: Vocabulary,
        profile: Profile = Profile(),  # noqa: B008 - frozen
        find: Callable[[str, str], Body | None] = lambda kind, record_id: None,
        today: date | None = None,
        find_named: Callable[[str], str | None] = lambda name: None,
    ) -> None:
        self.source = source
        self.profile = profile
        self.find = find
        self._find_named = find_named
        self.kind = ""  # of the record in hand: what `data unmapped` says beside a code
        self.new_persons: dict[str, int] = {}
        self.unmapped: Counter[tuple[str, str, str]] = Counter()
        self.doubts: Counter[str] = Counter()  # of the record in hand, by kind
        self.merges: dict[str, str] = {}  # of the record in hand: which patient ids it says are replaced
        self.today = today or datetime.now(UTC).date()
        self._identity = identity
        self._vocabulary = vocabulary
        self.coded: dict[tuple[str, str], Any] = {}  # what the FHIR mappers make of a code
        self._persons: dict[str, int] = {}
        self._visits: dict[str, int] = {}
        self._concepts: dict[tuple[str, str], Resolution] = {}

    def row_id(self, record_id: str, table: str, part: str = "") -> int:
        """The key of a row of this source; `record_id` is `Kind/id`, also of a record not yet seen."""
        return self._identity.row_id(self.source, record_id, table, part)

    def visit_occurrence_id(self, encounter_id: str) -> int:
        """The key of the visit of an Encounter of this source, there already or not."""
        found = self._visits.get(encounter_id)
        if found is None:
            if len(self._visits) >= REMEMBERED:
                self._visits.clear()
            found = self._visits[encounter_id] = self.row_id(f"Encounter/{encounter_id}", "visit_occurrence")
        return found

    def person_id(self, patient_id: str) -> int:
        """The person_id of a patient id of this source: FHIR Patient.id, DICOM PatientID, a barcode."""
        person_id = self._persons.get(patient_id)
        if person_id is None:
            _require_name(patient_id, "a patient's id")
            if len(self._persons) >= REMEMBERED:
                self._persons.clear()
            person_id = self._identity.person_id(self.source, patient_id)
            self._persons[patient_id] = self.new_persons[patient_id] = person_id
        return person_id

    def merge(self, patient_id: str, survivor: str) -> None:
        """Note that the record in hand says that one patient id is replaced by another."""
        name, by = (self._identity.name(self.source, one) for one in (patient_id, survivor))
        if name != by:
            self.merges[name] = by

    def is_merged(self, patient_id: str) -> bool:
        """Whether a patient id of this source is replaced by another one, as far as is known yet."""
        name = self._identity.name(self.source, patient_id)
        return self._identity.survivor(name) != name

    def report_of(self, resource: Body) -> str | None:
        """`DiagnosticReport/id` of a report that lists the resource as its result."""
        return self._find_named(result_name(f"{resource.get('resourceType')}/{resource.get('id')}"))

    def doubt(self, kind: str, times: int = 1) -> None:
        """Count what is not wholly understood of the record in hand; `kind` is one of `DOUBTS`."""
        assert kind in DOUBTS, kind
        self.doubts[kind] += times

    def text_pseudonym(self, text: str) -> str:
        """What stands for a text that may name somebody: equal texts keep being equal."""
        return self._identity.text_pseudonym(text)

    def image_occurrence_id(self, series_uid: str) -> int:
        """The key of the image_occurrence of a SeriesInstanceUID, whichever source tells of it."""
        return self._identity.shared_id("image_occurrence", series_uid)

    def specimen_id(self, patient_id: str, sample: str) -> int:
        """The key of a patient's sample, whichever file or assay tells of it."""
        return self._identity.shared_id("specimen", f"{patient_id}{SEPARATOR}{sample}")

    def study_procedure_id(self, study_uid: str) -> int:
        """The key of the procedure_occurrence of a StudyInstanceUID, whichever source tells of it."""
        return self._identity.shared_id("procedure_occurrence", study_uid)

    def resolve(self, system: str, code: str) -> Resolution:
        """The source concept and the standard concepts of a code; one without a standard one is counted."""
        found = self.lookup(system, code)
        if not found.standard:
            self.unmapped[system, code, self.kind] += 1
        return found

    def lookup(self, system: str, code: str) -> Resolution:
        """As `resolve`, for a code that is only one of several to choose from: nothing is counted."""
        known = self._concepts.get((system, code))
        if known is None:
            _require_name(code, "a code")
            _require_name(system or "-", "a code system")
            if len(self._concepts) >= REMEMBERED:
                self._concepts.clear()
                self.coded.clear()
            known = self._concepts[system, code] = self._vocabulary.resolve(system, code)
        return known

    def parents(self, concept_ids: frozenset[int]) -> frozenset[int]:
        """Those of the concepts that another one of them is below of."""
        return self._vocabulary.parents(concept_ids)


def _require_name(text: object, what: str) -> None:
    """Raises unless the text can stand in the tables that hold the sources' own names."""
    if not isinstance(text, str) or not text or len(text) > NAME_LENGTH or "\x00" in text:
        raise Unmappable("malformed-name", f"{what} is not a text of 1 to {NAME_LENGTH} characters")


Mapper = Callable[[Body, Context], list[Row]]
"""A pure function from a record's body to its rows. Raises Excluded or Unmappable."""
