"""What is released beside the wheel: the part of the lock that runs a side, its bill of materials, images."""

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).parents[3]
RELEASE = ROOT / "deploy" / "release"


@pytest.fixture(scope="module")
def parts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parts", RELEASE / "parts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_runs_is_locked_with_hashes_and_what_tests_is_left_out(parts: ModuleType) -> None:
    lock = parts.runtime_lock()
    names = set(re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", lock, re.MULTILINE))
    assert {"flwr", "numpy", "sqlalchemy", "pydicom", "psycopg"} <= {name.lower() for name in names}
    assert not {"pytest", "mypy", "ruff", "playwright", "torch"} & names
    assert lock.count("--hash=sha256:") >= len(names)
    assert not lock.rstrip().endswith("\\")


def test_a_wheel_is_locked_by_its_own_bytes(parts: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "autograd_gamma-0.5.0-py3-none-any.whl").write_bytes(b"built here")
    digest = hashlib.sha256(b"built here").hexdigest()
    assert parts.wheel_lock(tmp_path) == f"autograd_gamma==0.5.0 --hash=sha256:{digest}\n"


def test_the_bill_names_each_part_once_with_the_hashes_of_its_files(parts: ModuleType) -> None:
    bill = json.loads(json.dumps(parts.sbom()))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    purls = [part["purl"] for part in bill["components"]]
    assert len(purls) == len(set(purls)) > 50
    assert bill["dependencies"][0]["dependsOn"] == purls
    for part in bill["components"]:
        hashes = [one["hashes"][0]["content"] for one in part["externalReferences"]]
        assert hashes, part["name"]
        assert all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes)


def test_the_images_run_without_rights_and_ask_their_own_health() -> None:
    text = (ROOT / "deploy" / "container" / "Dockerfile").read_text()
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", text, re.MULTILINE)
    assert [name for _, name in stages] == ["install", "side", "site", "center"]
    side = text[text.index(" AS side") : text.index(" AS site")]
    assert re.search(r"^USER shadowgraph$", side, re.MULTILINE)
    for target, words in (("site", ["site", "health"]), ("center", ["network", "health"])):
        part = text[text.index(f" AS {target}") :]
        (check,) = re.findall(r"HEALTHCHECK .*CMD (\[.*\])", part)[:1]
        assert json.loads(check) == ["shadowgraph", *words]
        assert json.loads(re.findall(r"^CMD (\[.*\])$", part, re.MULTILINE)[0])[1:] == [
            "start",
            "--foreground",
        ]


@pytest.mark.parametrize("file", ["site.yml", "center.yml"])
def test_a_service_of_compose_has_a_read_only_root_and_no_rights(file: str) -> None:
    said = yaml.safe_load((ROOT / "deploy" / "compose" / file).read_text())
    for name, service in said["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    for port in [port for one in said["services"].values() for port in one.get("ports", [])]:
        assert port in ("443:8443", "127.0.0.1:8443:8443")


@pytest.mark.parametrize("file", ["alerts.yml", "grafana.json"])
def test_alerts_and_board_ask_for_metrics_that_are_served(file: str) -> None:
    text = (ROOT / "deploy" / "monitoring" / file).read_text()
    asked = set(re.findall(r"shadowgraph_([a-z_]+)", text))
    assert asked
    assert asked <= served_metrics()


def test_the_board_shows_every_metric_that_is_served() -> None:
    board = json.loads((ROOT / "deploy" / "monitoring" / "grafana.json").read_text())
    asked = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    assert set(re.findall(r"shadowgraph_([a-z_]+)", asked)) == served_metrics()
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places)


def served_metrics() -> set[str]:
    code = "".join(
        (ROOT / side / "administration" / "metrics.py").read_text() for side in ("server", "site_node")
    )
    return set(re.findall(r'(?:one|by|Family)\("([a-z_]+)"', code))


def test_a_bundle_of_which_a_file_was_altered_installs_nothing(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    shutil.copy(RELEASE / "install.sh", bundle)
    (bundle / "requirements.lock").write_text("")
    sums = subprocess.run(
        ["sha256sum", "install.sh", "requirements.lock"],
        cwd=bundle,
        capture_output=True,
        text=True,
        check=True,
    )
    (bundle / "SHA256SUMS").write_text(sums.stdout)
    (bundle / "requirements.lock").write_text("another==1")
    refused = subprocess.run(
        [bundle / "install.sh", tmp_path / "there"], capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "requirements.lock: FAILED" in refused.stdout + refused.stderr
    assert not (tmp_path / "there").exists()


def test_what_is_installed_from_a_bundle_asks_no_index() -> None:
    script = (RELEASE / "install.sh").read_text()
    installs = [line for line in script.replace("\\\n", "").splitlines() if "pip install" in line]
    assert len(installs) == 2
    assert all("--no-index" in line and "--no-deps" in line for line in installs)
    assert "--require-hashes" in installs[0]
