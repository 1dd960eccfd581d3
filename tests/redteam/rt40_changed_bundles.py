"""RT40: one byte is changed in what is installed, or in a list that comes with a study."""

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from protocols.core.errors import ShadowgraphError
from protocols.runtime import installed
from site_node.agent import agent
from tests.lib.blocks import genes, study_of_block
from tests.lib.lying_coordinator import weaken
from tests.redteam.attack import Figure, attack

ROOT = Path(__file__).parents[2]
CHANGED = (
    "cdm/vocabulary/vocabulary_seed.csv",
    "cdm/vocabulary/hgnc.tsv.xz",
    "protocols/core/disclosure.py",
    "site_node/agent/agent.py",
)
ADDED = "site_node/agent/helpful.py"


@attack(
    "RT40",
    "one byte of vocabulary or code is changed after the wheel was installed, or code is added",
    works_from=5,
    slow=True,
    needs="hatchling",
)
def changed_wheel(folder: Path, weakened: bool) -> Figure:
    build = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    words = [sys.executable, "-c", build, str(folder)]
    built = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[-1]
    site, unnoticed = folder / "site-packages", 0
    with zipfile.ZipFile(folder / built) as wheel:  # which is how a wheel is installed
        wheel.extractall(site)
    assert _is_whole(site)
    with weaken(installed, "_is_as_recorded", lambda *_: True, weakened):
        for name in CHANGED:
            path = site / name
            honest = path.read_bytes()
            path.write_bytes(bytes([honest[0] ^ 1]) + honest[1:])
            unnoticed += _is_whole(site)
            path.write_bytes(honest)
    (site / ADDED).write_text("")
    with weaken(installed, "_CODE", (), weakened):
        unnoticed += _is_whole(site)
    return Figure(unnoticed, f"of {len(CHANGED) + 1} changes not noticed")


def _is_whole(site: Path) -> bool:
    found = installed.installed([site])
    assert found.files > 100, "nothing was compared"
    return not found.changed and not found.added


@attack(
    "RT40",
    "a list of names that comes with a study has one letter changed, one name more, or two turned",
    works_from=3,
)
def changed_list(folder: Path, weakened: bool) -> Figure:
    names = genes(6)
    study = study_of_block(6, ["age"], {"protocol": "summary", "of": ["age"]})
    lists = ((*names[:-1], names[-1] + "x"), (*names, "GENE9"), (names[1], names[0], *names[2:]))
    taken = 0
    with weaken(agent, "is_list", lambda *_: True, weakened):
        for changed in lists:
            given: Mapping[str, bytes] = {"rna": "\n".join(changed).encode()}
            try:
                agent._keep_lists(folder, study, given)
            except ShadowgraphError:
                continue
            taken += 1
    return Figure(taken, f"of {len(lists)} lists taken for the study's")
