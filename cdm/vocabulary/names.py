"""How codes are named: FHIR's system URIs, OMOP's vocabulary ids, and concept strings like `LOINC:89243-0`.

No database and no table: the server reads this module too. What a code means at a site is answered by
`cdm.vocabulary.concepts.Vocabulary`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple


class VocabularyFileError(ValueError):
    """A vocabulary file is not what it should be; the text names the file and the line, never a code."""


class StandardConcept(NamedTuple):
    """One standard concept that a source code means; `domain_id` decides which table it belongs in."""

    concept_id: int
    domain_id: str
    is_value: bool = False  # by "Maps to value": it goes into value_as_concept_id


class Resolution(NamedTuple):
    """What a source code is in OMOP: its own concept, and the standard concepts to store instead.

    `standard` is empty where nothing is known: then the concept is 0 and the code stays in `*_source_value`.
    """

    source_concept_id: int
    standard: tuple[StandardConcept, ...]

    @property
    def concept_id(self) -> int:
        """The first standard concept that is not a value; 0 where there is none."""
        return next((one.concept_id for one in self.standard if not one.is_value), 0)

    @property
    def value_concept_id(self) -> int:
        """The first standard concept that is a value; 0 where there is none."""
        return next((one.concept_id for one in self.standard if one.is_value), 0)


UNMAPPED = Resolution(0, ())

# FHIR's URI of a code system -> vocabulary_id. The first URI of a vocabulary is the one that we write.
SYSTEMS: dict[str, str] = {
    "http://snomed.info/sct": "SNOMED",
    "http://loinc.org": "LOINC",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://www.whocc.no/atc": "ATC",
    "http://fhir.de/CodeSystem/bfarm/atc": "ATC",
    "http://fhir.de/CodeSystem/dimdi/atc": "ATC",
    "http://whocc.no/atc": "ATC",
    "urn:oid:2.16.840.1.113883.6.73": "ATC",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10CM",
    "http://hl7.org/fhir/sid/icd-10": "ICD10",
    "http://fhir.de/CodeSystem/bfarm/icd-10-gm": "ICD10GM",
    "http://fhir.de/CodeSystem/dimdi/icd-10-gm": "ICD10GM",
    "http://hl7.org/fhir/sid/icd-10-gm": "ICD10GM",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD9CM",
    "http://terminology.hl7.org/CodeSystem/icd-o-3": "ICDO3",
    "http://hl7.org/fhir/sid/icd-o-3": "ICDO3",
    "http://terminology.hl7.org/CodeSystem/icd-o-3-morphology": "ICDO3",
    "http://terminology.hl7.org/CodeSystem/icd-o-3-topography": "ICDO3",
    "http://www.cms.gov/Medicare/Coding/ICD10": "ICD10PCS",
    "http://www.ama-assn.org/go/cpt": "CPT4",
    "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets": "HCPCS",
    "http://fhir.de/CodeSystem/bfarm/ops": "OPS",
    "http://fhir.de/CodeSystem/dimdi/ops": "OPS",
    "http://unitsofmeasure.org": "UCUM",
    "http://www.genenames.org/geneId": "HGNC",
    "http://www.genenames.org": "HGNC",
    "http://dicom.nema.org/resources/ontology/DCM": "DICOM",
    "http://radlex.org": "RadLex",
    "http://cancerstaging.org": "AJCC",
    "http://hl7.org/fhir/administrative-gender": "Gender",
    "http://terminology.hl7.org/CodeSystem/v3-ActCode": "v3-ActCode",
    "http://hl7.org/fhir/v3/ActCode": "v3-ActCode",
    # US Core race and ethnicity
    "urn:oid:2.16.840.1.113883.6.238": "CDCREC",
    "http://terminology.hl7.org/CodeSystem/CDCREC": "CDCREC",
    # the same systems as older servers write them
    "urn:oid:2.16.840.1.113883.6.96": "SNOMED",
    "urn:oid:2.16.840.1.113883.6.1": "LOINC",
    "urn:oid:2.16.840.1.113883.6.88": "RxNorm",
    "urn:oid:2.16.840.1.113883.12.292": "CVX",
    "urn:oid:2.16.840.1.113883.6.69": "NDC",
    "urn:oid:2.16.840.1.113883.6.90": "ICD10CM",
    "urn:oid:2.16.840.1.113883.6.3": "ICD10",
    "urn:oid:2.16.840.1.113883.6.103": "ICD9CM",
    "urn:oid:2.16.840.1.113883.6.43.1": "ICDO3",
    "urn:oid:2.16.840.1.113883.6.8": "UCUM",
    "urn:oid:2.16.840.1.113883.6.281": "HGNC",
    "urn:oid:1.2.840.10008.2.16.4": "DICOM",
    "urn:oid:2.16.840.1.113883.5.4": "v3-ActCode",
}

SNOMED_EDITION = "http://snomed.info/sct/"  # an edition or version of it, as a system: the codes are SNOMED's
# (category, subdivision), the dot and what marks dagger, asterisk, exclamation or "no subdivision" left out
_ICD10 = re.compile(r"([A-Z][0-9][0-9A-Z])\.?([0-9A-Z]{0,4})[.-]*\s?[+*!#\u2020]?")
_ICD9 = re.compile(r"([0-9]{3}|V[0-9]{2}|E[0-9]{3})\.?([0-9]{0,2})")
_TOPOGRAPHY = re.compile(r"(C[0-9]{2})\.?([0-9])")
ICD = {"ICD10": _ICD10, "ICD10CM": _ICD10, "ICD10GM": _ICD10, "ICD9CM": _ICD9, "ICDO3": _TOPOGRAPHY}
NORMALISED = frozenset(("ATC", *ICD))

VOCABULARY_ID_LENGTH = 20  # vocabulary.vocabulary_id is varchar(20)


def vocabulary_id_of(system: str) -> str:
    """The vocabulary_id of a code system: `LOINC` for http://loinc.org, and for `LOINC` itself.

    A hospital's own URI becomes `local-` and twelve digits of its hash: the same on every day and at every
    site, so that rows of `source_to_concept_map` can name it in the 20 characters that OMOP has for it.
    """
    known = SYSTEMS.get(system)
    if known is not None:
        return known
    if ":" not in system and len(system) <= VOCABULARY_ID_LENGTH:
        return system
    # Read leniently: a version after "|", a slash at the end, https.
    plain = system.partition("|")[0].rstrip("/").replace("https://", "http://", 1)
    if plain.startswith(SNOMED_EDITION):
        return "SNOMED"
    return SYSTEMS.get(plain) or "local-" + blake2b(plain.encode(), digest_size=6).hexdigest()


def normal_code(vocabulary_id: str, code: str) -> str:
    """The code as its vocabulary writes it: hospitals write C71.1 also C711, c71.1, C71.1+ and C71.1-.

    Of ICD and ATC alone, whose codes have no two readings without their case and dot.
    """
    if vocabulary_id not in NORMALISED:
        return code
    upper = code.strip().upper()
    if vocabulary_id == "ATC":
        return upper
    found = ICD[vocabulary_id].fullmatch(upper)
    if found is None:
        return code
    category, rest = found.groups()
    return f"{category}.{rest}" if rest else str(category)


@dataclass(frozen=True)
class ConceptCode:
    """A code with its vocabulary, written `LOINC:89243-0`; `ICD10CM:C71%` is every code that begins so."""

    vocabulary_id: str
    code: str

    @classmethod
    def parse(cls, text: str) -> ConceptCode:
        """The parts of `VOCABULARY:CODE`, at the first colon.

        Raises:
            ValueError: no vocabulary or no code, a vocabulary_id that OMOP could not store, or a `%`
                elsewhere than at the end of a code of at least one character.
        """
        vocabulary_id, colon, code = text.partition(":")
        if not colon or not vocabulary_id.strip() or not code.strip() or code.startswith("//"):
            raise ValueError(
                "a concept is written VOCABULARY:CODE, for example LOINC:89243-0 or ICD10CM:C71%"
            )
        if len(vocabulary_id) > VOCABULARY_ID_LENGTH or "/" in vocabulary_id:
            raise ValueError(
                f"a vocabulary has at most {VOCABULARY_ID_LENGTH} characters, for example SNOMED"
            )
        if "%" in code[:-1] or code == "%":
            raise ValueError("% stands at the end of a code only, for example ICD10CM:C71%")
        return cls(vocabulary_id.strip(), code.strip())

    @property
    def is_prefix(self) -> bool:
        """Whether it names every code that begins with `stem`."""
        return self.code.endswith("%")

    @property
    def stem(self) -> str:
        """The code without the `%`."""
        return self.code.removesuffix("%")

    def matches(self, vocabulary_id: str, code: str) -> bool:
        """Whether a code of a row is this one, or begins so."""
        same = code.startswith(self.stem) if self.is_prefix else code == self.code
        return same and vocabulary_id == self.vocabulary_id

    def __str__(self) -> str:
        return f"{self.vocabulary_id}:{self.code}"
