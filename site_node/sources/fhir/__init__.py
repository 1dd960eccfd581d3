"""FHIR as a hospital has it, read into records."""

from site_node.sources.fhir.files import count_bytes, read
from site_node.sources.fhir.validation import Validate, validated

__all__ = ["Validate", "count_bytes", "read", "validated"]
