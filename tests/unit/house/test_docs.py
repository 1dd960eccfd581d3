"""The guides as a site: without a broken link, from this machine alone; each promise names what shows it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from server.home.config import HubConfig
from site_node.home.config import SiteConfig

ROOT = Path(__file__).parents[3]
PROMISES = ROOT / "docs" / "promises.md"
FROM_ELSEWHERE = re.compile(
    r"""<(?:script|img|iframe)[^>]+src=["']?(?:https?:)?//|<link[^>]+stylesheet[^>]+href=["']?(?:https?:)?//"""
)


@pytest.mark.slow
def test_the_site_of_the_guides_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = {path.relative_to(tmp_path).with_suffix(".md") for path in tmp_path.rglob("*.html")}
    guides = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    assert guides <= pages
    for page in tmp_path.rglob("*.html"):
        assert not FROM_ELSEWHERE.search(page.read_text()), page.name


@pytest.mark.parametrize(
    ("settings", "guide", "file"),
    [(HubConfig, "coordinator-guide.md", "hub.toml"), (SiteConfig, "site-guide.md", "site.toml")],
)
def test_each_setting_stands_in_its_guide(settings: type[BaseModel], guide: str, file: str) -> None:
    text = (ROOT / "docs" / guide).read_text()
    _, _, table = text.partition(f"| in `{file}` |")
    told = set(re.findall(r"`\[?(\w+)\]?`", "\n".join(re.findall(r"^\|([^|]+)\|", table, re.MULTILINE))))
    assert told == settings.model_fields.keys() - {"home", "schema_version"}


def test_each_promise_names_what_shows_it() -> None:
    rows = re.findall(r"^\| (P\d+) \|(.*)\|(.*)\|(.*)\|$", PROMISES.read_text(), re.MULTILINE)
    assert [name for name, *_ in rows] == [f"P{number}" for number in range(1, 37)]
    for name, _, here, shown in rows:
        paths = re.findall(r"`(tests/[^`]+)`", shown)
        assert paths or "**not there**" in here, name
        for path in paths:
            assert (ROOT / path).is_file(), (name, path)
