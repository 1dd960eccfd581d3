"""The codes of outcomes: mappers write them, and a site's readers look for the same ones."""

from cdm.vocabulary.names import ConceptCode

VITAL_STATUS = ConceptCode("LOINC", "67162-8")
ALIVE = ConceptCode("SNOMED", "438949009")
DEAD = ConceptCode("SNOMED", "419099009")

DISEASE_STATUS = (ConceptCode("LOINC", "97509-4"), ConceptCode("LOINC", "88040-1"))
"""The questions to which mCODE's disease status is the answer: progression, response to treatment."""

WORSE = ConceptCode("SNOMED", "271299001")
