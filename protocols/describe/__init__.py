"""Counts, means, distributions and tables."""
