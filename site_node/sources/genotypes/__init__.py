"""Genotypes of many people in the files in which they lie: PGEN (plink2) and BED (PLINK 1.9)."""
