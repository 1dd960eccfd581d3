"""The house stands as designed: what is installed, and what a command loads."""

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_installs_the_five_packages_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    (beside,) = {name for name in top if name.endswith(".data")}
    shared = {name.split("/")[2:4][-1] for name in names if name.startswith(f"{beside}/data/share/")}
    assert shared == {"doc", "shadowgraph"}  # guides and examples, and files to deploy
    assert {name for name in top if not name.endswith((".dist-info", ".data"))} == {
        "cdm",
        "protocols",
        "site_node",
        "server",
        "shadowgraph",
    }


def test_the_command_knows_its_verbs_without_loading_them() -> None:
    code = (
        "import sys, server.main as m; verbs = m.Commands().list_commands(None); "
        "assert 'study' in verbs and 'inbox' in verbs, verbs; "
        "loaded = {'pandas', 'sqlalchemy', 'flwr', 'numba', 'matplotlib'} & set(sys.modules); "
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_studies_are_listed_without_loading_what_computes() -> None:
    code = (
        "import sys, server.actions.studies, server.cli.words.studies; "
        "loaded = {'pandas', 'scipy', 'flwr', 'numba', 'matplotlib', 'sklearn'} & set(sys.modules); "
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_no_module_bears_the_name_of_what_its_package_defines() -> None:
    """Else importing the module puts it in the name's place, for whoever imports the name later."""
    clashes = []
    for package in ("cdm", "protocols", "site_node", "server"):
        for face in (ROOT / package).rglob("__init__.py"):
            defined = {
                node.name
                for node in ast.parse(face.read_text()).body
                if isinstance(node, ast.FunctionDef | ast.ClassDef)
            }
            modules = {path.stem for path in face.parent.iterdir()}
            clashes += [f"{face.parent.relative_to(ROOT)}: {name}" for name in defined & modules]
    assert not clashes
