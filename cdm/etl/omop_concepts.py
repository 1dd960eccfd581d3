"""The concepts of OMOP's own administrative vocabularies that the ETL writes by number.

They are of OHDSI's own layer (Apache-2.0) and the same in every Athena release. What a source writes as a
code (a gender, a visit's class, a race, a modality) is not here: the vocabulary resolves it.
"""

NO_CONCEPT = 0

# Type Concept: where a row comes from (f2o-050 to f2o-053).
EHR = 32817
ADMINISTERED = 32818
DISPENSED = 32825
EHR_ENCOUNTER = 32827
EHR_NOTE = 32831
PATHOLOGY_REPORT = 32835
PRESCRIPTION = 32838
RADIOLOGY_REPORT = 32841
EHR_PROBLEM_LIST = 32840
LABORATORY = 32856
PATIENT_SELF_REPORT = 32865
IMPUTED = 32880  # "Standard algorithm": the day is ours, the source knew the month or year (f2o-071)

MORE_THAN_ONE_RACE = 1546847
RACE_OBSERVATION = 4013886
INPATIENT_VISIT = 9201

# FHIR's Quantity.comparator; no comparator is no operator.
EQUAL = 4172703
OPERATOR = {"<": 4171756, "<=": 4171754, ">=": 4171755, ">": 4172704}
YES, NO = 4188539, 4188540

# CDM field concepts: to which table an *_event_id points.
CONDITION_OCCURRENCE_ID_FIELD = 1147127
PROCEDURE_OCCURRENCE_ID_FIELD = 1147082
