"""Genes against features: many tests at once."""
