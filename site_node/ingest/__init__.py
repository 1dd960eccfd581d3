"""Loading: files, FHIR servers and DICOM senders into the CDM."""
