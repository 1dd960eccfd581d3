"""Synthetic hospitals from a seed: the files that a real hospital has, with a known truth planted in them."""

from site_node.synthetic.hospital import SEED, write_consortium, write_hospital
from site_node.synthetic.plan import HospitalPlan, Scanner, consortium
from site_node.synthetic.truth import PLANTED, GroundTruth

__all__ = [
    "PLANTED",
    "SEED",
    "GroundTruth",
    "HospitalPlan",
    "Scanner",
    "consortium",
    "write_consortium",
    "write_hospital",
]
