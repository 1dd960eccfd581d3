"""Our own tables beside the CDM: which source's record became which rows, and what could not be loaded.

They hold the sources' own identifiers, which the CDM must not (f2o-020, f2o-023), so a site grants them apart
from the CDM: no analysis reads them.
"""

from sqlalchemy import Boolean, Column, LargeBinary, PrimaryKeyConstraint, Table, false

from cdm.schema.columns import day, hashed_key, integer, key, large, metadata, moment, reference, text

# One `data add`, with the five versions that f2o-102 asks for. `finished_at` stays empty when it was killed.
load_run = Table(
    "load_run",
    metadata,
    key("run_id"),
    text("source", 255, required=True),
    text("status", 20, required=True),  # running, done, failed
    moment("started_at", required=True),
    moment("finished_at"),
    text("cdm_version", 20, required=True),
    text("vocabulary_version", 50),
    text("guide_version", 50),
    text("software_version", 50, required=True),
    text("settings"),  # JSON
    text("counts"),  # JSON: what the summary said
)

# The newest state of every record ever seen; `deleted` is the tombstone of one that its source took back.
source_record = Table(
    "source_record",
    metadata,
    hashed_key("source_record_id"),  # 63-bit hash of (source, kind, record_id)
    text("source", 255, required=True),
    text("kind", 50, required=True),
    text("record_id", 255, required=True),
    text("version_id", 64),
    moment("last_updated"),
    text("content_hash", 64, required=True),
    reference("run_id", "load_run", required=True),
    Column("deleted", Boolean, nullable=False, default=False),
    reference("source_body_id", "source_body", index=True),
    integer("body_line"),
)

# What the mappers read of the records, many in one compressed block: they are mapped anew from here when a
# map or vocabulary changes (`data remap`). Names, addresses and identifiers of people are left out.
source_body = Table(
    "source_body",
    metadata,
    key("source_body_id"),
    integer("records", required=True),  # lines that hold one; when fewer are still wanted it is written anew
    Column("content", LargeBinary, nullable=False),
)

# Which record was looked into to map another (a Medication for its request): mapped again when that changes.
source_need = Table(
    "source_need",
    metadata,
    reference("source_record_id", "source_record", required=True),
    large("needed_id", required=True, index=True),  # a source_record_id, there already or not
    PrimaryKeyConstraint("source_record_id", "needed_id"),
)

# What a record is called by its identifiers, as keyed hashes: a reference by one of them is looked up here.
source_name = Table(
    "source_name",
    metadata,
    reference("source_record_id", "source_record", required=True),
    large("name_key", required=True, index=True),
    PrimaryKeyConstraint("source_record_id", "name_key"),
)

# The rows that a record became: what is deleted before its newer version is written.
source_row = Table(
    "source_row",
    metadata,
    reference("source_record_id", "source_record", required=True),
    text("table_name", 63, required=True),
    large("row_id", required=True, index=True),
    text("date_precision", 5),  # "month" or "year" where the source knew no day (f2o-071), else NULL
    # Whether the record tells of the row from afar: the row is then that of a record which does not.
    Column("fallback", Boolean, nullable=False, default=False, server_default=false()),
    PrimaryKeyConstraint("source_record_id", "table_name", "row_id"),
)

# What was not wholly understood of a record, by kind (cdm/vocabulary/doubts.py), and how often in it.
record_doubt = Table(
    "record_doubt",
    metadata,
    reference("source_record_id", "source_record", required=True),
    text("code", 50, required=True),
    integer("occurrences", required=True),
    PrimaryKeyConstraint("source_record_id", "code"),
)

# Which patient records say that another one is the same person's (Patient.link). `name` and `survivor` are
# patient ids after the site's linkage; one not settled has records that are still to be mapped by it.
person_merge = Table(
    "person_merge",
    metadata,
    reference("source_record_id", "source_record", required=True),
    text("name", 255, required=True),
    text("survivor", 255, required=True),
    Column("settled", Boolean, nullable=False, default=False),
    PrimaryKeyConstraint("source_record_id", "name"),
)

# Whose periods and eras are to be made anew, and from which day on: a visit that is still to come ends a
# period only when its day has come. Written with the rows, so that a load that was killed leaves nobody out.
derivation_due = Table(
    "derivation_due",
    metadata,
    reference("person_id", "person", required=True),
    day("due_day", required=True),
    PrimaryKeyConstraint("person_id", "due_day"),
)

# Who a source's patient is in this CDM; several sources' identifiers may meet in one person.
person_link = Table(
    "person_link",
    metadata,
    text("source", 255, required=True),
    text("source_person_id", 255, required=True),
    reference("person_id", "person", required=True, index=True),
    PrimaryKeyConstraint("source", "source_person_id"),
)

# What was not loaded, and why; no value of the record, only where it stands.
quarantine = Table(
    "quarantine",
    metadata,
    key("quarantine_id"),
    text("source", 255, required=True),
    text("position", 255, required=True),
    text("kind", 50, required=True),
    text("code", 50, required=True),
    text("reason", required=True),
    reference("run_id", "load_run", required=True, index=True),
    reference("source_record_id", "source_record", index=True),
    Column("resolved", Boolean, nullable=False, default=False),
)

# Codes that met no concept, counted, so that `data unmapped` can say what to map first.
unmapped_code = Table(
    "unmapped_code",
    metadata,
    text("system", 255, required=True),
    text("code", 255, required=True),
    text("kind", 50, required=True),
    integer("occurrences", required=True),
    PrimaryKeyConstraint("system", "code", "kind"),
)

# How far a server has been read: what the next incremental pull of this source begins with.
source_position = Table(
    "source_position",
    metadata,
    text("source", 255, required=True),
    text("position", 255, required=True),
    moment("reached_at", required=True),
    PrimaryKeyConstraint("source"),
)
