"""Tested samples, profiles and numbers of samples to rows of the CDM."""
