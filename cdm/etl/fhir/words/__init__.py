"""What the elements of FHIR mean: codings, dates, references, events and values."""
