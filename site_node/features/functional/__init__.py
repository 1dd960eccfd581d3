"""Functional imaging: numbers of physiology from signals; arrays and plain numbers in, arrays out."""
