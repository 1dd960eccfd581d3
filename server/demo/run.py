"""Plays the whole way with real processes: generate, enrol, load, measure, approve, run, report, stop."""

import contextlib
import importlib.resources
import json
import shutil
import signal
import threading
import time
import tomllib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from protocols.core.errors import Code, InputError, ShadowgraphError, StudyError
from protocols.runtime.daemons import free_port
from server.coordination.replay import recompute
from server.demo.commands import Commands
from server.demo.findings import findings, section
from server.demo.people import guest
from server.home.store import Store
from server.report import Left, write_report

MARK = ".shadowgraph-demo"
GENOME = "GRCh37"  # of the hospitals' array
APPROVAL_SECONDS = 60.0


@dataclass
class Demo:
    """A center and its hospitals in one folder; nothing of them runs on when `play` returns.

    Attributes:
        stay: whether it plays on after the report, with pages, until it is interrupted.
        study: a file in the place of the demo's own study; the hospitals' public lists lie in `hospitals`.
        variants: of an array with which the hospitals genotyped their patients; 0 if they did not.
    """

    out: Path
    sites: int
    seed: int | None
    console: Console
    stay: bool = False
    study: Path | None = None
    variants: int = 0
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.command = Commands(self.out)
        self.center = self.out / "center"
        own = importlib.resources.files("server.demo").joinpath("study.yaml")
        self._study = own.read_text() if self.study is None else self.study.read_text()
        self._name = ""  # of the study, once it is submitted
        self._compiles, self._compiled = threading.Lock(), threading.Event()

    def play(self) -> dict[str, Any]:
        """Where the report is, and what was found.

        Raises:
            ShadowgraphError: a step failed; what it said is in the text.
        """
        _make_room(self.out)
        with _stopped_by_signals():
            try:
                return self._play()
            except KeyboardInterrupt:
                self._say_it_stops()
                raise
            finally:
                with _undisturbed():
                    self._stop()

    def _play(self) -> dict[str, Any]:
        with self._step(f"{self.sites} hospitals write their FHIR, CT, contours and variants"):
            seed = [] if self.seed is None else ["--seed", str(self.seed)]
            array = ["--variants", str(self.variants)] if self.variants else []
            self.command.module("site_node.synthetic", "hospitals", "--sites", str(self.sites), *seed, *array)
        names = sorted(path.name for path in (self.out / "hospitals").iterdir() if path.is_dir())
        with self._step("a center is made; each hospital makes its keys and joins"):
            pages = ("--web-port", str(free_port())) if self.stay else ()
            self.command("network", "init", "--name", "Demo", "--home", "center", "--port", "0", *pages)
            if self.stay:
                backups = self.out / "backups" / "center"
                backups.mkdir(parents=True, mode=0o700)
                self._set(self.center / "hub.toml", backup_folder=backups)
            _each(self._join, names)
        with self._step("people at the hospitals compare fingerprints, and confirm each other"):
            self._confirm(names)
        with self._step("each hospital loads its files into its own OMOP CDM and measures its tumours"):
            _each(self._load, names, before=lambda: self.command("network", "start", "--home", "center"))
        with self._step("each hospital connects: a SuperNode to meet the network, an agent to meet data"):
            _each(lambda name: self.command("site", "start", "--home", f"sites/{name}"), names)
        with self._step("the coordinator signs a study; each hospital reads and approves it"):
            (self.out / "study.yaml").write_text(self._study)
            submitted = self.command("study", "submit", "study.yaml", "--home", "center")
            run, self._name = submitted["run"], submitted["name"]
            _each(self._approve, names)
        with self._step("the study runs: questions go out, aggregates come back"):
            self.command("study", "watch", run, "--home", "center", follow=True)
        with self._step("the result is computed again from the kept rounds, and reported"):
            reported = self._report(run)
        if self.stay:
            self._invite(names)
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
            self._say_it_stops()
        return reported

    def _invite(self, names: list[str]) -> None:
        """Leaves a study to be decided about, and prints where the pages are, each with a link to enter."""
        again = self.out / "again.yaml"
        again.write_text(self._study.replace(f"name: {self._name}\n", f"name: {self._name}-again\n", 1))
        self.command("study", "submit", "again.yaml", "--home", "center")
        for name in names:
            for protocol in ("summary", "attrition", "availability"):
                self.command("inbox", "standing", protocol, "--home", f"sites/{name}")
            self.command("policy", "set", "combinations", "allow", "--home", f"sites/{name}")
        self.console.print(
            "\nAsk on about the study's people, by the links on its page: these hospitals now let answers "
            "about nearly the same people be combined. A real one keeps `combinations = withhold`."
        )
        self.console.print("\nAll stays until Ctrl-C. Each link signs you in once, with every role:")
        sides = [("center", self.center), *((name, self.out / "sites" / name) for name in names)]
        for name, home in sides:
            address = f"http://127.0.0.1:{_web_port(home)}"
            one = guest(home, address, at_center=home == self.center)
            self.console.print(f"  [bold]{name:10}[/bold] {one.link}", soft_wrap=True)
            self.console.print(
                f"      [dim]codes, each once: {' '.join(one.codes[:5])}[/dim]", soft_wrap=True
            )

    def _join(self, name: str) -> None:
        """Makes a site and enrols it: two files go from hand to hand."""
        invitation, answer = f"{name}.invitation.json", f"{name}.enrolment.json"
        pages = ("--web-port", str(free_port())) if self.stay else ()
        self.command("site", "init", "--name", name, "--home", f"sites/{name}", "--port", "0", *pages)
        if self.stay:  # so that a newcomer can load and back up by a click
            backups = self.out / "backups" / name
            backups.mkdir(parents=True, mode=0o700)
            folders = sorted(str(one) for one in (self.out / "hospitals" / name).iterdir())
            self._set(self.out / "sites" / name / "site.toml", load_folders=folders, backup_folder=backups)
        self.command("network", "invite", name, "--home", "center", "--out", invitation)
        self.command("site", "join", invitation, "--home", f"sites/{name}", "--out", answer)
        self.command("network", "enrol", answer, "--home", "center")

    @staticmethod
    def _set(file: Path, **settings: object) -> None:
        """Writes settings before the others of a file; JSON's texts and lists are TOML's."""
        lines = [f"{name} = {json.dumps(value, default=str)}\n" for name, value in settings.items()]
        file.write_text("".join(lines) + file.read_text())

    def _confirm(self, names: list[str]) -> None:
        """Each hospital confirms the others; here nobody telephones, each reads the other's folder."""
        self.command("network", "members", "--home", "center", "--out", "members.json")
        known = {
            name: self.command("site", "peers", "list", "--home", f"sites/{name}")["fingerprint"]
            for name in names
        }
        files = [f"{name}.statements.json" for name in names]
        for name, file in zip(names, files, strict=True):
            others = [f"{site}={fingerprint}" for site, fingerprint in known.items() if site != name]
            home = ("--home", f"sites/{name}", "--list", "members.json", "--out", file)
            self.command("site", "peers", "confirm", *others, *home)
        self.command("network", "confirm", *files, "--home", "center")

    def _load(self, name: str) -> None:
        """Loads what a hospital has, and measures its tumours."""
        files, home = f"hospitals/{name}", ("--home", f"sites/{name}")
        genomics = f"{files}/genomics"
        lists = ("--panel", f"{genomics}/panel.tsv", "--samples", f"{genomics}/samples.tsv")
        self.command("data", "add", "fhir", f"{files}/fhir", *home)
        self.command("data", "add", "dicom", f"{files}/imaging", *home)
        self.command("data", "add", "genomics", f"{genomics}/mutations.maf", *lists, *home)
        if self.variants:
            told = ("--build", GENOME, "--strand", "forward", "--name", "genotypes")
            self.command("data", "add", "genomics", f"{genomics}/genotypes.bed", *told, *home)
        if not self._compiles.acquire(blocking=False):
            self._compiled.wait()  # the first hospital compiles the kernels, the others find them compiled
        try:
            measured = self.command("features", "radiomics", "compute", "--jobs", "1", *home)
        finally:
            self._compiled.set()
        self._say(f"{name}: {measured['computed']} tumours measured, {measured['features']} features")

    def _approve(self, name: str) -> None:
        """Waits until the study is in the hospital's inbox, and approves it."""
        home = ("--home", f"sites/{name}")
        deadline = time.monotonic() + APPROVAL_SECONDS
        while not self.command("inbox", "list", *home)["studies"]:
            if time.monotonic() > deadline:
                raise StudyError(Code.DEADLINE, f"the study did not reach {name}")
            time.sleep(0.5)
        self.command("inbox", "approve", self._name, *home, "--note", "the demo approves its own study")
        self._say(f"{name}: read and approved")

    def _report(self, run: str) -> dict[str, Any]:
        study, outcome = recompute(self.center, run)
        left = [Left(**answer) for answer in Store(self.center).answers(run)]
        found = findings(outcome, self.out / "hospitals" / "ground_truth.json")
        minutes, seconds = divmod(round(time.monotonic() - self.started), 60)
        report = write_report(
            study,
            outcome,
            left,
            self.out / "report",
            facts=[(f"{minutes}:{seconds:02}", "minutes, from nothing to here")],
            extra=section(outcome, found),
        )
        (self.out / "commands.txt").write_text("\n".join(self.command.said) + "\n")
        return {
            "found": [{"": what, "planted": planted, "found": is_found} for what, planted, is_found in found],
            "report": str(report),
            "commands": str(self.out / "commands.txt"),
        }

    def _stop(self) -> None:
        """Stops every process that was started; says nothing, since it also runs after a failure."""
        homes = sorted((self.out / "sites").glob("*")) if (self.out / "sites").exists() else []
        words = [("site", "stop", "--home", str(home)) for home in homes]
        if self.center.exists():
            words.append(("network", "stop", "--home", str(self.center)))

        def stop(one: tuple[str, ...]) -> None:
            try:
                self.command(*one)
            except ShadowgraphError as error:
                self.console.print(f"[yellow]{error.text}[/yellow]")

        with ThreadPoolExecutor(max_workers=len(words) or 1) as pool:
            deque(pool.map(stop, words), maxlen=0)

    def _say_it_stops(self) -> None:
        self.console.print("[bold]stopping[/bold] what was started; this takes a moment")

    def _say(self, words: str) -> None:
        self.console.print(f"      [dim]{words}[/dim]")

    @contextmanager
    def _step(self, words: str) -> Iterator[None]:
        began = time.monotonic()
        self.console.print(f"[bold cyan]…[/bold cyan] {words}")
        yield
        self.console.print(f"[bold green]✓[/bold green] [dim]{time.monotonic() - began:.0f} s[/dim]")


def _web_port(home: Path) -> int:
    """Where a center's or a site's pages are served; the two settings share that name."""
    (file,) = (home / name for name in ("hub.toml", "site.toml") if (home / name).is_file())
    return int(tomllib.loads(file.read_text())["web_port"])


def _each(
    work: Callable[[str], object], names: Iterable[str], before: Callable[[], object] | None = None
) -> None:
    """Does the work for all names, as many at once as there are cores here; `before` runs beside them."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        futures = [] if before is None else [pool.submit(before)]
        futures += [pool.submit(work, name) for name in names]
        for future in futures:
            future.result()


def _make_room(out: Path) -> None:
    """An empty folder; one that an earlier demo made is emptied.

    Raises:
        InputError: there is something else.
    """
    if out.exists() and any(out.iterdir()):
        if not (out / MARK).exists():
            raise InputError(
                Code.ALREADY_EXISTS, f"{out} is there and no demo made it", "give another folder with --out"
            )
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / MARK).touch()


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Lets SIGTERM end the block as Ctrl-C does, so that what was started is stopped."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Lets an impatient second Ctrl-C pass, here and in the commands that are called, which inherit that."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
