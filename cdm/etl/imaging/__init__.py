"""DICOM series, regions, readings and radiomic features to rows of the CDM."""
