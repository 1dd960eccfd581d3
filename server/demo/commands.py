"""Runs `shadowgraph` commands as a person would, each in its own process, and reads what they return."""

import json
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocols.core.errors import Code, ExitCode, StudyError


@dataclass
class Commands:
    """The command line, in a folder; `said` keeps each command, for those who want to see what was done."""

    folder: Path
    said: list[str] = field(default_factory=list)

    def __call__(self, *words: str, follow: bool = False) -> Any:
        """What the command returns, as plain data; with `follow` its words for people are shown as they come.

        A load that put some records into quarantine is done, in part: real files have faults.

        Raises:
            StudyError: the command failed; the text is what it said.
        """
        self.said.append("shadowgraph " + " ".join(words))
        program = Path(sysconfig.get_path("scripts")) / "shadowgraph"
        return self._run([str(program), *words, "--json"], follow)

    def module(self, name: str, *words: str) -> Any:
        """What `python -m name` prints, as plain data."""
        self.said.append(f"python -m {name} " + " ".join(words))
        return self._run([sys.executable, "-m", name, *words], follow=False)

    def _run(self, command: list[str], follow: bool) -> Any:
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if follow else subprocess.PIPE,
            text=True,
        )
        if done.returncode not in (ExitCode.DONE, ExitCode.PARTIAL):
            said = done.stdout.strip() or (done.stderr or "").strip()
            raise StudyError(Code.SITE_FAILED, f"`{self.said[-1]}` failed: {said[-800:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None
