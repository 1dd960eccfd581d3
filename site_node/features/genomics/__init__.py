"""Genomic features of people, from arrays of what their tests reached and found."""

from site_node.features.genomics.mutation import NONSYNONYMOUS, mutated

__all__ = ["NONSYNONYMOUS", "mutated"]
