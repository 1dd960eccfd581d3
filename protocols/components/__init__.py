"""Latent components: principal components, canonical correlation, partial least squares."""
