"""Consent: whether a person's data may be used for research; a cohort asks before it counts anybody.

The newest statement counts. A consent permits while it is active, its base rule is not "deny" and its period
runs; rejected, inactive or denied means withdrawn. One about treatment or an advance directive says nothing
of research and makes no row. Conditions inside it (nested provisions) are not read: a consent that permits
only some uses is taken as a refusal, which errs on the person's side.

Left out on purpose: identifier, category, organization, source[x], policy, verification, nested provisions.
"""

from datetime import datetime, time

from cdm.etl.context import Context
from cdm.etl.fhir.words.coding import codes_of
from cdm.etl.fhir.words.dates import first_date, last_date, required_date
from cdm.etl.fhir.words.references import record_id, refuse_modifiers, require_status, subject_person_id
from cdm.etl.record import Body, Excluded, Row

STATED = {"active", "inactive", "rejected", "not-done"}
OTHER_SCOPES = {"treatment", "adr"}


def map_consent(consent: Body, context: Context) -> list[Row]:
    """The statement of one person on research."""
    require_status(consent.get("status"), STATED)
    refuse_modifiers(consent)
    for scope in codes_of(consent.get("scope")):
        if scope in OTHER_SCOPES:
            raise Excluded(f"scope {scope}")
    provision = _provision(consent)
    stated = required_date(context, consent, "dateTime", "date")
    period = {"period": provision.get("period") or consent.get("period")}
    start, end = first_date(context, period, "period"), last_date(context, period, "period", planned=True)
    values = {
        "research_consent_id": context.row_id(record_id(consent), "research_consent"),
        "person_id": subject_person_id(consent, context, "patient" if "patient" in consent else "subject"),
        "status": consent["status"],
        "permits": consent["status"] == "active" and _permits(consent, provision),
        "stated_at": stated.time or datetime.combine(stated.day, time()),
        "valid_from": start.day if start else None,
        "valid_to": end.day if end else None,
    }
    return [Row("research_consent", values, stated.precision)]


def _provision(consent: Body) -> Body:
    """The base rule: one provision in R4, a list of exceptions in R5 (`except` in STU3)."""
    provision = consent.get("provision") or consent.get("except") or {}
    return {"provision": provision} if isinstance(provision, list) else provision


def _permits(consent: Body, provision: Body) -> bool:
    rule = consent.get("decision") or provision.get("type") or "permit"
    return rule == "permit" and not provision.get("provision")
