"""The release before, as a wheel of its own: its sites answer this center, its center asks these sites.

It is built from the history, so a checkout without one skips this. Who makes a release moves `BEFORE` to it.
"""

import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from protocols.core.protocol import protocol
from protocols.exchange import wire
from server.actions import studies
from server.home.config import load
from server.home.store import Store
from server.home.submissions import State, Submission
from site_node.agent.agent import Agent
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study
from tests.lib.table_agent import table_of

pytestmark = pytest.mark.slow

BEFORE = "43ac55bea016205c53adb2298b9d879b4c5dc686"
ROOT = Path(__file__).parents[2]
NAMES = ("a", "b", "c")
DONE, OPEN, LATER = "done-before", "open-before", "asked-later"

FOUND = """
import json, sys
from pathlib import Path
from protocols.core.protocol import protocol
from protocols.exchange import wire
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

folder, *names = sys.argv[1:]
c = Consortium(Path(folder), ("a", "b", "c"))
done, going, later = (logistic_study(name) for name in names)
for study in (done, going, later):
    c.decide(study, "approved")
first = c.ends(c.propose(done).run)
run = c.propose(going).run
coordinator = c.coordinator()
while len(c.store.memory(run)) < 2:
    assert coordinator.turn()
versions = {"wire": wire.SCHEMA_VERSION, "logistic": protocol("logistic").version}
print(json.dumps({"done": first.run, "open": run, "outcome": first.outcome.decode(), **versions}))
"""

AGENT = """
import struct, sys
from pathlib import Path
from site_node.agent.agent import Agent
from site_node.home.config import load
from tests.lib.table_agent import table_of

home = Path(sys.argv[1])
agent = Agent(home, table_of=table_of(load(home).name))
came, went = sys.stdin.buffer, sys.stdout.buffer
while head := came.read(8):
    kind, size = struct.unpack(">II", head)
    reply = agent.handle(came.read(kind).decode(), came.read(size))
    went.write(struct.pack(">I", len(reply)) + reply)
    went.flush()
"""

CENTER = """
import json, struct, sys
from pathlib import Path
from server.home.config import load
from server.home.store import Store
from tests.lib.consortium import Consortium
from tests.lib.federation import logistic_study

came, went = sys.stdin.buffer, sys.stdout.buffer

class Far:
    def __init__(self, name):
        self.name = name

    def handle(self, kind, sealed):
        head = json.dumps({"site": self.name, "kind": kind}).encode()
        went.write(struct.pack(">II", len(head), len(sealed)) + head + sealed)
        went.flush()
        (size,) = struct.unpack(">I", came.read(4))
        return came.read(size)

c = Consortium.__new__(Consortium)
c.folder = Path(sys.argv[1])
c.home = c.folder / "center"
c.names, c.tamper, c.asked, c.seconds, c._replies = ("a", "b", "c"), lambda s, k, r: r, [], 0.0, {}
c.settings, c.store, c.agents = load(c.home), Store(c.home), {name: Far(name) for name in "abc"}
ended = c.ends(c.propose(logistic_study(sys.argv[2])).run)
said = {"state": ended.state, "code": ended.code, "standing": c.store.standing(ended.run)}
head = json.dumps({"site": "", **said}).encode()
went.write(struct.pack(">II", len(head), 0) + head)
went.flush()
"""


@dataclass(frozen=True)
class Release:
    """The release before: what Python has to look through for it, and for its tests' builders."""

    path: tuple[Path, ...]

    def command(self, script: str, *words: str) -> list[str]:
        """What runs a script with it."""
        return [sys.executable, "-c", script, *words]

    @property
    def environment(self) -> dict[str, str]:
        """Where its modules come before this checkout's."""
        return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, self.path))}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The wheel of the release before, unpacked."""
    known = subprocess.run(["git", "cat-file", "-e", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if known.returncode:
        pytest.skip("the release before is not in this checkout's history")
    tree, packed = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(packed)], cwd=tree, check=True, capture_output=True)
    (wheel,) = packed.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(packed / "installed")
    return Release((packed / "installed", tree))


@dataclass
class Founded:
    """A consortium that the release before made, with one study done and one in its rounds."""

    folder: Path
    said: dict[str, Any]

    @property
    def speaks_alike(self) -> bool:
        """Whether both releases have the wire and the protocol of these studies in one version."""
        return (
            self.said["wire"] == wire.SCHEMA_VERSION and self.said["logistic"] == protocol("logistic").version
        )

    def reopened(self, agents: dict[str, Any]) -> Consortium:
        """The consortium with this release's center."""
        again = Consortium.__new__(Consortium)
        again.folder, again.home, again.names = self.folder, self.folder / "center", NAMES
        again.tamper, again.asked, again.seconds, again._replies = (
            lambda site, kind, reply: reply,
            [],
            0.0,
            {},
        )
        again.settings, again.store, again.agents = load(again.home), Store(again.home), agents
        return again


@pytest.fixture
def founded(release: Release, tmp_path: Path) -> Founded:
    done = subprocess.run(
        release.command(FOUND, str(tmp_path), DONE, OPEN, LATER),
        env=release.environment,
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    made = Founded(tmp_path, json.loads(done.stdout.splitlines()[-1]))
    if not made.speaks_alike:
        pytest.skip(
            "this release has another wire or protocol than the one before: all sides change together"
        )
    return made


@dataclass
class Earlier:
    """An agent of the release before, in a process of its own."""

    came: IO[bytes]
    went: IO[bytes]

    def handle(self, kind: str, sealed: bytes) -> bytes:
        """What it replies."""
        self.went.write(struct.pack(">II", len(kind), len(sealed)) + kind.encode() + sealed)
        self.went.flush()
        (size,) = struct.unpack(">I", self.came.read(4))
        return self.came.read(size)


@contextmanager
def _earlier(release: Release, home: Path) -> Iterator[Earlier]:
    command = release.command(AGENT, str(home))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=release.environment, cwd=home) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Earlier(process.stdout, process.stdin)
        process.stdin.close()


def _coefficients(ended: Submission) -> list[float]:
    """Of the one model; each run climbs in a basis of its own, and rounds in its last digits."""
    found: list[float] = json.loads(ended.outcome or b"")["results"]["idh1"]["result"]["coef"]
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Submission:
    """The study over sites and a center of this release."""
    whole = Consortium(tmp_path_factory.mktemp("whole"), NAMES)
    study = logistic_study(LATER)
    whole.decide(study, "approved")
    return whole.ends(whole.propose(study).run)


def test_sites_of_the_release_before_answer_this_center(
    release: Release, founded: Founded, expected: Submission
) -> None:
    homes = {name: founded.folder / name for name in NAMES}
    with _earlier(release, homes["a"]) as a, _earlier(release, homes["b"]) as b:
        mine = Agent(homes["c"], table_of=table_of("c"))
        consortium = founded.reopened({"a": a, "b": b, "c": mine})
        ended = consortium.ends(consortium.propose(logistic_study(LATER)).run)
    assert ended.state is State.DONE
    assert _coefficients(ended) == pytest.approx(_coefficients(expected), rel=1e-9)


def test_a_study_under_way_goes_on_over_the_upgrade_of_the_center(
    release: Release, founded: Founded, expected: Submission
) -> None:
    homes = {name: founded.folder / name for name in NAMES}
    with (
        _earlier(release, homes["a"]) as a,
        _earlier(release, homes["b"]) as b,
        _earlier(release, homes["c"]) as c,
    ):
        consortium = founded.reopened({"a": a, "b": b, "c": c})
        ended = consortium.ends(founded.said["open"])
    assert ended.state is State.DONE
    assert _coefficients(ended) == pytest.approx(_coefficients(expected), rel=1e-9)


def test_this_release_opens_and_verifies_what_the_one_before_found(founded: Founded) -> None:
    home = founded.folder / "center"
    assert studies.shown(home, founded.said["done"]).state is State.DONE
    assert (Store(home).submission(founded.said["done"]).outcome or b"").decode() == founded.said["outcome"]
    assert studies.verify(home, founded.said["done"])


def test_sites_of_this_release_answer_the_center_of_the_one_before(
    release: Release, founded: Founded
) -> None:
    agents = {name: Agent(founded.folder / name, table_of=table_of(name)) for name in NAMES}
    pipe = subprocess.PIPE
    command = release.command(CENTER, str(founded.folder), LATER)
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=release.environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        while True:
            first, second = struct.unpack(">II", process.stdout.read(8))
            head, body = json.loads(process.stdout.read(first)), process.stdout.read(second)
            if not head["site"]:
                break
            reply = agents[head["site"]].handle(head["kind"], body)
            process.stdin.write(struct.pack(">I", len(reply)) + reply)
            process.stdin.flush()
        process.stdin.close()
    assert head["state"] == State.DONE
