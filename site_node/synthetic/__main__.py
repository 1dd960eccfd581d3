"""`python -m site_node.synthetic OUT [--sites 3] [--visits]`: write a consortium, print its counts."""

import argparse
import json
from pathlib import Path

from site_node.synthetic.hospital import SEED, write_consortium

parser = argparse.ArgumentParser(prog="python -m site_node.synthetic", description=__doc__)
parser.add_argument("out", type=Path)
parser.add_argument("--sites", type=int, default=3)
parser.add_argument("--patients", type=int, default=72, help="at each hospital")
parser.add_argument("--variants", type=int, default=0, help="of an array of genotypes; none if left out")
parser.add_argument("--visits", action="store_true", help="readers' diameters of lesions at visits")
parser.add_argument("--seed", type=int, default=SEED)
arguments = parser.parse_args()
written = write_consortium(
    arguments.out,
    arguments.sites,
    arguments.seed,
    arguments.patients,
    arguments.variants,
    visits=arguments.visits,
)
print(json.dumps(written, indent=2))
