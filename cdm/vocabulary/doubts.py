"""What a load read and did not wholly understand, by kind: what it means, and the data steward's way out.

A mapper says `context.doubt("unit-unknown")`; a reader that has no context puts `{"unit-unknown": 2}` under
`DOUBTS_OF_READER` of a record's body. A doubt belongs to its record: the next version of the record replaces
it. A new kind of doubt is one line here; one that a study's variable may rest on stands in `OfVariable` too.
"""

from typing import Literal, NamedTuple

DOUBTS_OF_READER = "doubts"

OfVariable = Literal[
    "after-death",
    "before-birth",
    "comparator",
    "fraction-above-one",
    "gene-open",
    "reading-undated",
    "unit-missing",
    "unit-unknown",
]
"""The kinds that a variable may rest on, which a study counts: another one is a new version of `left_out`."""


class Doubt(NamedTuple):
    """What a kind of doubt means, and what the data steward can do."""

    means: str
    way_out: str


DOUBTS: dict[str, Doubt] = {
    "after-death": Doubt(
        "a record is dated more than 60 days after the death of its person: no variable of a study reads it",
        "correct the date of the record or of the death; look for two people in one patient id",
    ),
    "answer-unknown": Doubt(
        "a variant is said neither to be present nor absent, in words that this reader knows: it is not read",
        "answer it by LOINC: LA9633-4 (present), LA9634-2 (absent), LA18198-4 (no call)",
    ),
    "before-birth": Doubt(
        "a record is dated before the birth of its person: no variable of a study reads it",
        "correct the date of the record or of the birth in the source; a mother's record is not her child's",
    ),
    "comparator": Doubt(
        "a number is a bound (<0.1) and not a value",
        "nothing to mend; a study says with `comparator` what it makes of bounds, else it leaves them out",
    ),
    "copies-contradict": Doubt(
        "a change of copies is said to be absent beside other copies than two: no call was read",
        "remove the one that is wrong, in the source",
    ),
    "date-awaited": Doubt(
        "a record has no date, and its visit or specimen, which would date it, is not here: it waits",
        "load the visits and specimens of this source",
    ),
    "date-implausible": Doubt(
        "a date cannot be (9999, 0001, before 1900, in the future) and was left out",
        "correct the date in the source; a placeholder for 'not known' is better left empty",
    ),
    "date-of-visit": Doubt(
        "a record has no date: that of its visit, specimen or report stands in",
        "date the record in the source, if the visit is long",
    ),
    "date-partial": Doubt(
        "only the month or year of a death is known: its last day stands in, as OMOP has it",
        "give the day, if the source has it",
    ),
    "death-contradicts": Doubt(
        "a patient is said to be alive, and has a date of death: neither was read",
        "correct deceased[x] in the source: FHIR allows one of the two",
    ),
    "end-before-start": Doubt(
        "a visit, diagnosis, procedure or exposure ends before it begins: its end was left out",
        "correct the two dates in the source",
    ),
    "fraction-above-one": Doubt(
        "a variant would be in more than 1.2 of all tumour cells: the sample's purity or copies are wrong",
        "compare the purity and the segments of the sample with the laboratory's report",
    ),
    "fraction-implausible": Doubt(
        "a variant's allele fraction is not between 0 and 1, a bound, or in no unit of a ratio: left out",
        "write it in the source as a fraction, or with the UCUM unit %",
    ),
    "gene-open": Doubt(
        "a variant leaves open whether its gene is mutated: the gene's name may mean several, or the kind of "
        "change is in no list",
        "write HGNC's symbol of today and MAF's Variant_Classification in the source, and load it again",
    ),
    "genotypes-left-out": Doubt(
        "the genotypes of a sample failed a check (few calls, the other sex, a relative): they are not read",
        "`data add genomics` says which lines of the list of samples; mend it, or load with --checks report",
    ),
    "number-as-text": Doubt(
        "a measurement's value is a range, or a text that begins with a number: no study reads it",
        "write it as valueQuantity, with its unit, and with a comparator where it is a bound",
    ),
    "other-build": Doubt(
        "genotypes lie on another genome build than the study's",
        "load the fileset lifted over to that build, beside the one that is here",
    ),
    "person-merged": Doubt(
        "a patient record is replaced by another: its records count for that one",
        "nothing to mend, if the merge is right; look at Patient.link otherwise",
    ),
    "person-not-here": Doubt(
        "a record is about a patient who is not here: it waits, and no study counts it",
        "load the Patient; look for it in the quarantine (`data status --places`)",
    ),
    "person-without-patient": Doubt(
        "people of this source have no Patient here, while others have: their ids may be another system's",
        "compare the patient ids of the two sources; name the pairs in the site's linkage file",
    ),
    "reading-undated": Doubt(
        "several readings of one score are of one day, or have no date, and differ: none of them counts",
        "give the readings a column `date` where it is missing, or load the one that counts alone",
    ),
    "record-incomplete": Doubt(
        "a record came without some of its elements (SUBSETTED): what is missing may change what it says",
        "ask the server for whole resources, without _summary and _elements",
    ),
    "sample-twice": Doubt(
        "a person has two samples in one fileset: the first is read",
        "keep one sample of each person in the fileset",
    ),
    "score-variant-absent": Doubt(
        "a polygenic score weighs a variant that nobody's genotypes here have: the frequency in the study "
        "stands in, and where it has none, nothing does: scores here are off by a constant",
        "impute the genotypes on a panel that has it; a study states frequencies, or takes an intercept for "
        "each hospital",
    ),
    "server-unknown": Doubt(
        "a record names its patient by a web address, and nothing says of which server the record itself is: "
        "it is read as about the patient of that id in this source",
        "export bundles with fullUrl, or references such as Patient/1; load each server as its own source",
    ),
    "strand-unknown": Doubt(
        "a variant has alleles A/T or C/G and the strand of its fileset is not known: it is left out",
        "align the fileset to the forward strand and load it with --strand forward",
    ),
    "test-data": Doubt(
        "a record is marked as test data (HTEST): it is read, and studies count its person",
        "leave test patients out of the export, or withdraw them here, before a study is answered",
    ),
    "unit-contradicts": Doubt(
        "a number's unit in words is of another size than its unit in code (lb beside kg): one is wrong",
        "correct it in the source: a study that names a unit leaves the number out",
    ),
    "unit-missing": Doubt(
        "a number has no unit",
        "give the unit in the source: a study that names a unit leaves the number out",
    ),
    "unit-unknown": Doubt(
        "a unit is not written in UCUM, as far as this reader knows it",
        "write it in UCUM in the source: a study that names a unit leaves the number out",
    ),
    "value-absent": Doubt(
        "a record has a value and says that its value is absent (dataAbsentReason, data-absent-reason): no "
        "value was read",
        "remove the one that is wrong, in the source",
    ),
    "value-twice": Doubt(
        "a record has two values, and which of them holds is not said: no value was read",
        "keep one value[x] in the source: FHIR allows one",
    ),
    "variant-twice": Doubt(
        "a fileset, or the study's list, has a variant more than once: it is left out",
        "remove the copies (plink2 --rm-dup)",
    ),
}
