"""The bare install is the analyst's: an environment with what it declares, and nothing else, runs studies."""

import json
import os
import subprocess
import venv
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
STUDY = """
import json
import shadowgraph as sg

study = (
    sg.study("bare", cohort=sg.cohort("condition:ICD10CM:C71%").adults(),
             variables={"age": sg.age(), "idh1": sg.gene("IDH1"), "os": sg.survival("overall")})
    .summary("table", ["age", "idh1"])
    .cox("survival", "os", ["age", "idh1"])
)
run = sg.dummy(people=120).submit(study)
found = run.results()
report = run.report("report.html").stat().st_size
try:
    sg.connect("http://127.0.0.1:9", "sg_none")
except Exception as error:
    unreachable = type(error).__name__
fitter = found["survival"].fitted().fitter()
told = {"state": run.state, "terms": list(fitter.summary.index), "report": report, "net": unreachable}
print(json.dumps(told))
"""


def needed(name: str, extras: frozenset[str] = frozenset()) -> dict[str, Distribution]:
    """A distribution with all that it declares to need, and that needs, here."""
    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    while waiting:
        one, wanted = waiting.pop()
        if one.lower() in found and not wanted:
            continue
        try:
            found[one.lower()] = distribution(one)
        except PackageNotFoundError:
            continue  # for another platform or an older Python
        for line in found[one.lower()].requires or ():
            requirement = Requirement(line)
            environments = [{"extra": extra} for extra in wanted or {""}]
            if requirement.marker is None or any(map(requirement.marker.evaluate, environments)):
                inner = frozenset(requirement.extras)
                if requirement.name.lower() not in found or inner:
                    waiting.append((requirement.name, inner))
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment into which only the declared distributions are linked."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    for found in needed("shadowgraph").values():
        tops = {Path(str(file)).parts[0] for file in found.files or () if ".." not in str(file)}
        for top in tops - {"__pycache__"}:
            target = Path(str(found.locate_file(top)))
            if target.exists() and not (packages / top).exists() and target.suffix != ".pth":
                (packages / top).symlink_to(target)
    (packages / "checkout.pth").write_text(f"{ROOT}\n")
    return folder / "bin" / "python"


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run([str(python), *words], cwd=folder, env=clean, capture_output=True, text=True)


def test_what_a_side_needs_is_no_part_of_the_bare_install() -> None:
    bare = needed("shadowgraph")
    for name in (
        "flwr",
        "grpcio",
        "sqlalchemy",
        "fhir.resources",
        "pydicom",
        "numba",
        "fastapi",
        "argon2-cffi",
    ):
        assert name not in bare
    assert {"flwr", "sqlalchemy", "argon2-cffi"} <= needed("shadowgraph", frozenset({"site"})).keys()
    assert {"flwr", "argon2-cffi"} <= needed("shadowgraph", frozenset({"center"})).keys()


@pytest.mark.slow
def test_a_study_runs_with_what_the_bare_install_declares(bare: Path, tmp_path: Path) -> None:
    done = run(bare, tmp_path, "-c", STUDY)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert (told["state"], told["terms"], told["net"]) == ("done", ["age", "idh1"], "UnreachableError")
    assert told["report"] > 10_000


@pytest.mark.slow
def test_a_command_of_a_site_says_which_extra_it_needs(bare: Path, tmp_path: Path) -> None:
    call = "from server.main import main; main()"
    done = run(
        bare,
        tmp_path,
        "-c",
        call,
        "site",
        "init",
        "--name",
        "oslo",
        "--home",
        str(tmp_path / "oslo"),
        "--json",
    )
    told = json.loads(done.stdout)
    assert told["error"] == "missing-extra"
    assert "shadowgraph[site]" in told["fix"]
    version = run(bare, tmp_path, "-c", call, "study", "new", "study.yaml", "--json")
    assert version.returncode == 0, version.stderr[-2000:]
