"""Synthetic hospitals from a seed: the files that a real hospital has, with a known truth planted in them."""
