"""Four real hospitals and their center as real processes, moved by commands as people type them."""

import shutil
import time
from pathlib import Path

from server.demo.commands import Commands
from tests.lib.lgg import HOSPITALS, write_consortium

STUDY = Path(__file__).parents[2] / "docs" / "examples" / "lgg.yaml"
MODELS = ("cox_os_strata", "cox_os_strata_breslow", "logit_idh1")
PATIENCE_SECONDS = 120.0


class Play:
    """A center and four hospitals in one folder, moved by commands."""

    def __init__(self, folder: Path, web_port: int = 0) -> None:
        self.folder, self.web_port = folder, web_port
        self.command = Commands(folder)

    def found(self) -> None:
        """Makes and starts the center and the hospitals, each with its own files loaded."""
        write_consortium(self.folder / "files")
        pages = ("--web-port", str(self.web_port))
        self.command("network", "init", "--name", "LGG", "--home", "center", "--port", "0", *pages)
        for name in HOSPITALS:
            home, files = ("--home", f"sites/{name}"), f"files/{name}"
            self.command("site", "init", "--name", name, "--port", "0", *home)
            self.command("network", "invite", name, "--home", "center", "--out", f"{name}.invitation")
            self.command("site", "join", f"{name}.invitation", "--out", f"{name}.enrolment", *home)
            self.command("network", "enrol", f"{name}.enrolment", "--home", "center")
            self.command("policy", "set", "digits", "full", *home)  # the results are compared with R's
            self.command("policy", "set", "cells", "exact", *home)
            self.command("data", "add", "fhir", f"{files}/fhir", *home)
            self.command("data", "add", "image-features", f"{files}/imaging/vasari.csv", *home)
        self.confirm()
        self.command("network", "start", "--home", "center")
        for name in HOSPITALS:
            self.command("site", "start", "--home", f"sites/{name}")

    def confirm(self) -> None:
        """Makes members of all hospitals."""
        self.command("network", "members", "--home", "center", "--out", "members.json")
        known = {
            name: self.command("site", "peers", "list", "--home", f"sites/{name}")["fingerprint"]
            for name in HOSPITALS
        }
        for name in HOSPITALS:
            others = [f"{site}={fingerprint}" for site, fingerprint in known.items() if site != name]
            home = ("--home", f"sites/{name}", "--list", "members.json", "--out", f"{name}.statements")
            self.command("site", "peers", "confirm", *others, *home)
        self.command("network", "confirm", *(f"{name}.statements" for name in HOSPITALS), "--home", "center")

    def answer(self) -> str:
        """The run of the study, which every hospital approved."""
        shutil.copy(STUDY, self.folder / "lgg.yaml")
        run = str(self.command("study", "submit", "lgg.yaml", "--home", "center")["run"])
        self.approve()
        assert self.command("study", "watch", run, "--home", "center")["state"] == "done"
        return run

    def approve(self) -> None:
        """Approves the study at every hospital, once it has come there."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for name in HOSPITALS:
            while not self.command("inbox", "list", "--home", f"sites/{name}")["studies"]:
                assert time.monotonic() < deadline
            self.command("inbox", "approve", "lgg", "--home", f"sites/{name}")

    def stop(self) -> None:
        """Stops every process."""
        for name in HOSPITALS:
            self.command("site", "stop", "--home", f"sites/{name}")
        self.command("network", "stop", "--home", "center")
