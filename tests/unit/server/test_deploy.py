"""What deploy/ ships fits the code: the units start these modules and see what these need, and no more."""

import re
import shutil
from pathlib import Path

import pytest

from server.administration import checks as center_checks
from server.administration import enrolment as center_enrolment
from server.administration import processes as center
from site_node.administration import checks as site_checks
from site_node.administration import enrolment as site_enrolment
from site_node.administration import processes as site
from site_node.administration.setup import make_site
from tests.unit.command.test_guides import parse

UNITS = Path(__file__).resolve().parents[3] / "deploy" / "systemd"
SITE, CENTER = "/srv/shadowgraph/", "/srv/center/"


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """A center and a site that has joined it."""
    hub, home = tmp_path / "center", tmp_path / "site"
    center_enrolment.make_center(hub, "Glioma", port=0)
    make_site(home, "oslo", runtime_port=0)
    center_enrolment.invite(hub, "oslo").write(tmp_path / "invitation.json")
    site_enrolment.join(home, tmp_path / "invitation.json")
    return hub, home


def _paths(unit: str, *settings: str) -> list[str]:
    """The paths that a unit gives to any of these settings."""
    lines = (UNITS / unit).read_text().splitlines()
    said = [line.partition("=")[2] for line in lines if line.partition("=")[0] in settings]
    return [path.lstrip("-") for words in said for path in words.split()]


def test_every_unit_starts_a_process_that_is_known() -> None:
    started = {}
    for unit in UNITS.glob("*.service"):
        if "Type=oneshot" in unit.read_text():
            continue
        (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        _, _, module, _, home, only = line.split()
        started[unit.stem.removeprefix("shadowgraph-")] = (module, home + "/", only)
    assert all(only in center.ONLY for module, _, only in started.values() if module.startswith("server"))
    assert started == {
        "supernode": ("site_node.administration.processes", SITE, "supernode"),
        "agent": ("site_node.administration.processes", SITE, "agent"),
        "superlink": ("server.administration.processes", CENTER, "superlink"),
        "superexec": ("server.administration.processes", CENTER, "superexec"),
        "run": ("server.administration.processes", CENTER, "run"),
        "actions": ("server.administration.processes", CENTER, "actions"),
        "web": ("server.administration.processes", CENTER, "web"),
        "metrics": ("server.administration.processes", CENTER, "metrics"),
        "notices": ("server.administration.processes", CENTER, "notices"),
        "site-actions": ("site_node.administration.processes", SITE, "actions"),
        "site-worker": ("site_node.administration.processes", SITE, "worker"),
        "site-web": ("site_node.administration.processes", SITE, "web"),
        "site-metrics": ("site_node.administration.processes", SITE, "metrics"),
        "site-notices": ("site_node.administration.processes", SITE, "notices"),
    }


def test_the_supernode_starts_with_the_few_files_that_its_unit_lets_it_see(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    home, seen = homes[1], tmp_path / "seen"
    for path in _paths("shadowgraph-supernode.service", "BindReadOnlyPaths", "BindPaths"):
        name = path.removeprefix(SITE)
        (seen / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (home / name).is_dir() else shutil.copy)(home / name, seen / name)
    assert not {"signing.key", "masking.key", "pseudonym.key"} & {path.name for path in seen.rglob("*")}
    supernode = next(service for service in site.services(seen) if service.name == "supernode")
    named = [word for word in supernode.command if word.startswith(str(seen))]
    assert len(named) == 3  # the center's authority, its own key, the secret of its runtime
    assert all(Path(word).is_file() for word in named)


def test_the_superlink_does_not_need_what_its_unit_hides(homes: tuple[Path, Path]) -> None:
    hub = homes[0]
    hidden = _paths("shadowgraph-superlink.service", "InaccessiblePaths")
    assert (hub / "keys" / "coordinator.key").is_file()
    for path in hidden:
        (hub / path.removeprefix(CENTER)).unlink(missing_ok=True)
    superlink = next(service for service in center.services(hub) if service.name == "superlink")
    named = [word for word in superlink.command if word.startswith(str(hub / "keys"))]
    assert len(named) == 4
    assert all(Path(word).is_file() for word in named)


def test_a_process_writes_where_its_unit_lets_it(homes: tuple[Path, Path]) -> None:
    assert _paths("shadowgraph-agent.service", "ReadWritePaths") == [SITE.rstrip("/")]
    assert _paths("shadowgraph-supernode.service", "BindPaths") == [f"{SITE}run"]
    assert (homes[1] / "run").is_dir()  # systemd does not start a unit whose bound folder is not there


def test_a_timer_backs_up_by_a_command_that_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOWGRAPH_HOME", "/srv/shadowgraph")
    timers = {path.stem for path in UNITS.glob("*.timer")}
    assert timers == {"shadowgraph-backup", "shadowgraph-site-backup"}
    for name in timers:
        (line,) = re.findall(
            r"^ExecStart=\S+/(shadowgraph .*)$", (UNITS / f"{name}.service").read_text(), re.MULTILINE
        )
        parsed = parse(line.replace("/srv/center", str(UNITS)).replace("/srv/shadowgraph", str(UNITS)))
        assert parsed in ("network backup", "site backup")


def test_doctor_knows_every_unit() -> None:
    units = {path.stem for path in UNITS.glob("*.service") if "Type=oneshot" not in path.read_text()}
    assert units == {*center_checks.UNITS, *site_checks.UNITS}
