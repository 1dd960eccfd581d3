"""FHIR resources to rows of the CDM: one kind of resource, one file."""
