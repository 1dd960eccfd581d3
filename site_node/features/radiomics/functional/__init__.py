"""Quantities from functional imaging, arrays in and arrays out: SUV, diffusion, DCE and DSC perfusion."""
