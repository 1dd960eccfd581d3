"""The steps of the images' Dockerfile, run one by one in a root of Debian's own packages, without a builder.

The base of the images is a public image with Python; here it is what `debootstrap` makes of the mirror that
this machine's apt uses. No step after that may ask a network: each runs in a namespace that has none.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from protocols.core.errors import ExitCode
from tests.lib.federation import until

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "deploy" / "container" / "Dockerfile"
PACKAGES = "python3,python3-venv"
RELEASE = "/etc/os-release"


@dataclass
class Stage:
    """A stage of a Dockerfile: what it starts from, its steps with the environment of each, how it runs."""

    base: str
    steps: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)


def stages(text: str) -> dict[str, Stage]:
    """The stages by name; one made of another begins with all that this one has.

    Raises:
        ValueError: an instruction that this test does not know, so that none is left out in silence.
    """
    found: dict[str, Stage] = {}
    now = Stage("")
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    for word, _, rest in (line.partition(" ") for line in lines if line.strip()):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            now = found[name] = replace(found.get(base, Stage(base)), base=base, steps=[])
            now.env = dict(now.env)
        elif word in ("RUN", "COPY"):
            now.steps.append((word, rest, dict(now.env)))
        elif word == "ENV":
            now.env |= dict(one.split("=", 1) for one in shlex.split(rest))
        elif word in ("USER", "WORKDIR"):
            setattr(now, word.lower(), rest)
        elif word in ("ENTRYPOINT", "CMD", "HEALTHCHECK"):
            setattr(now, word.lower(), json.loads(rest[rest.index("[") :]))
        elif word not in ("ARG", "VOLUME", "STOPSIGNAL"):
            raise ValueError(f"the Dockerfile says {word}")
    return found


def _mirror() -> tuple[str, str]:
    """Where this machine's apt has its own release from, and the release's name."""
    about = dict(line.split("=", 1) for line in Path(RELEASE).read_text().splitlines() if "=" in line)
    name = about.get("VERSION_CODENAME", "").strip('"')
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = [
        uri for uri, _, release in (line.partition(" ") for line in said.splitlines()) if release == name
    ]
    if not name or not found:
        pytest.skip("this machine's apt names no mirror of its own release")
    return found[0], name


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with Debian's smallest system and its Python."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("debootstrap", "unshare", "chroot"))):
        pytest.skip("needs root, debootstrap, unshare and chroot")
    root, (mirror, release) = tmp_path_factory.mktemp("base"), _mirror()
    words = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(root), mirror]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"debootstrap cannot make a root here: {made.stdout[-300:]}")
    root.chmod(0o755)  # it is / for the images' own user
    return root


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `make bundle` makes."""
    folder = tmp_path_factory.mktemp("context") / "dist"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", "--quiet", "--wheel", "--out-dir", folder], cwd=ROOT, check=True)
    (wheel,) = folder.glob("shadowgraph-*.whl")
    script = ROOT / "deploy" / "release" / "bundle.sh"
    words = [script, sys.executable, wheel, folder / "bundle"]
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    if re.search("Connection|Could not find a version|name resolution", made.stderr) and made.returncode:
        pytest.skip("the wheels of a bundle cannot be had here")
    assert made.returncode == 0, made.stderr[-2000:]
    return folder / "bundle"


def inside(root: Path, words: Sequence[str], env: Mapping[str, str], *, user: str = "root") -> list[str]:
    """The words of a command in a root with a /proc of its own."""
    shown = [f"{name}={value}" for name, value in env.items()]
    enter = f'mount -t proc proc {shlex.quote(str(root / "proc"))} && exec "$@"'
    chroot = ["chroot", f"--userspec={user}:{user}", str(root), "/usr/bin/env", "-i", *shown, *words]
    return ["unshare", "--mount", "sh", "-c", enter, "sh", *chroot]


def build(name: str, known: Mapping[str, Stage], roots: dict[str, Path], base: Path, context: Path) -> Path:
    """The root of a stage, after those that it is made of; every step without a network."""
    if name in roots:
        return roots[name]
    stage = known[name]
    if stage.base in known and not stage.steps:  # it says only what runs
        return roots.setdefault(name, build(stage.base, known, roots, base, context))
    root = base.with_name(f"{base.name}-{name}")
    subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True)
    roots[name] = root
    for word, rest, env in stage.steps:
        if word == "RUN":
            path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **env}
            done = subprocess.run(
                ["unshare", "--net", *inside(root, ["sh", "-ec", rest], path)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (rest, done.stdout[-2000:], done.stderr[-2000:])
            continue
        *options, source, target = shlex.split(rest)
        origin = context
        for option in options:
            origin = build(option.removeprefix("--from="), known, roots, base, context)
        subprocess.run(["cp", "-a", origin / source.lstrip("/"), root / target.lstrip("/")], check=True)
    return root


def test_the_steps_of_the_dockerfile_are_read_whole() -> None:
    known = stages(DOCKERFILE.read_text())
    assert [word for word, *_ in known["side"].steps] == ["RUN", "COPY"]
    assert known["center"].entrypoint == ["shadowgraph"]
    assert known["site"].user == "shadowgraph"
    with pytest.raises(ValueError, match="ONBUILD"):
        stages("FROM a AS b\nONBUILD RUN x\n")


@pytest.fixture(scope="module")
def roots(base: Path, bundle: Path) -> Iterator[dict[str, Path]]:
    """The roots of both targets."""
    found: dict[str, Path] = {}
    known = stages(DOCKERFILE.read_text())
    for target in ("site", "center"):
        build(target, known, found, base, bundle.parent.parent)
    yield found
    for root in {*found.values(), base}:
        shutil.rmtree(root, ignore_errors=True)


class Image:
    """A target, as it would run: its user, its environment, its folder."""

    def __init__(self, root: Path, stage: Stage) -> None:
        self.root, self.stage = root, stage

    def words(self, *words: str) -> list[str]:
        """Of a command in it."""
        moved = ["sh", "-c", 'cd "$0" && exec "$@"', self.stage.workdir, *words]
        return inside(self.root, moved, self.stage.env, user=self.stage.user)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command, to its end."""
        return subprocess.run(self.words(*words), capture_output=True, text=True, check=False, timeout=300)

    def said(self, *words: str) -> Any:
        """What its own entry point prints with --json."""
        done = self.run(*self.stage.entrypoint, *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.mark.slow
def test_both_images_run_without_rights_and_serve_until_told_to_stop(roots: dict[str, Path]) -> None:
    known = stages(DOCKERFILE.read_text())
    for target in ("site", "center"):
        image = Image(roots[target], known[target])
        assert image.run("id", "-un").stdout.strip() == "shadowgraph"
        assert image.said("--version")["version"]
        assert image.said("doctor")
        assert image.run("touch", "/opt/shadowgraph/bin/new").returncode != 0
        idle = image.run(*image.stage.healthcheck)
        assert (idle.returncode, "not-initialised" in idle.stdout + idle.stderr) == (
            ExitCode.INVALID_INPUT,
            True,
        )
    image.said("network", "init", "--name", "Test", "--port", "0")
    serving = image.words(*image.stage.entrypoint, *image.stage.cmd)
    with subprocess.Popen(serving, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as center:
        try:
            until(lambda: image.run(*image.stage.healthcheck).returncode == 0, within=180)
        finally:
            center.send_signal(signal.SIGTERM)
        assert center.wait(timeout=60) == 0
