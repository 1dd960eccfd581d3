"""`shadowgraph study`: a signed question to the consortium, from its file to its report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from server.cli.options import Home

File = Annotated[Path, typer.Argument(help="a study file, YAML or JSON")]
Reference = Annotated[str, typer.Argument(help="a study's name, or the beginning of its hash or run")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Signed questions to the consortium.")


@app.command()
def new(
    out: Annotated[Path, typer.Argument(help="where to write it")] = Path("study.yaml"),
) -> Output[Any]:
    """Write a study file to start from, with every part explained.

    Example: shadowgraph study new survival.yaml
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return Output(studies.example(out), words.example)


@app.command()
def validate(study: File, home: Home = Path(".")) -> Output[Any]:
    """Check a study file: what in it could not work, and what would leave each site. Nothing is sent.

    With --home of a center it also says which sites would refuse the study, and why. Exit code 6: it is a
    study, but something in it is in doubt.

    Example: shadowgraph study validate survival.yaml
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return words.checked_study(studies.validate(study, home))


@app.command("try")
def attempt(
    study: File,
    people: Annotated[int, typer.Option(min=1, help="of a hospital, on average")] = 200,
    seed: Annotated[int, typer.Option(help="another one draws other people")] = 1,
    out: Annotated[Path | None, typer.Option(help="a folder for the report, if you want one")] = None,
) -> Output[Any]:
    """Run a study on dummy people who meet its cohort, in seconds: gate and floors on, no hospital asked.

    The numbers mean nothing; what fails here fails in hospitals for the same reason. Exit code 6: an analysis
    failed, or something in the study is in doubt.

    Example: shadowgraph study try survival.yaml
    """
    from server.actions import trial
    from server.cli.words import trials as words

    return words.tried(trial.attempt(study, people=people, seed=seed, out=out))


@app.command("preflight")
def before(study: File, home: Home = Path(".")) -> Output[Any]:
    """Ask the sites, before a study is signed, who has its variables; and who would refuse it, and why.

    Sites answer in bands, under their standing approvals of `availability`. Exit code 6: a site would refuse,
    or something in the study is in doubt.

    Example: shadowgraph study preflight survival.yaml --home /srv/center
    """
    from server.actions import preflight, runs
    from server.cli.words import trials as words
    from server.cli.words.studies import say

    asked = preflight.ask(home, study)
    if asked.run:
        say(runs.watch(home, asked.run))
    return words.preflight(preflight.answer(home, study))


@app.command()
def sign(
    study: File,
    home: Home = Path("."),
    out: Annotated[Path | None, typer.Option(help="where to write it; NAME.signed if left out")] = None,
) -> Output[Any]:
    """Sign a study with the coordinator's key, to be kept or shown; `submit` signs by itself.

    Example: shadowgraph study sign survival.yaml --home /srv/center
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return Output(studies.sign(home, study, out), words.signed)


@app.command()
def submit(
    study: Annotated[Path, typer.Argument(help="a study file, or one that `study sign` wrote")],
    home: Home = Path("."),
    site: Annotated[list[str] | None, typer.Option(help="ask this site only; may be repeated")] = None,
    patience: Annotated[
        float | None, typer.Option(help="seconds to wait for approvals; hub.toml's days if left out")
    ] = None,
    wait: Annotated[bool, typer.Option(help="watch it to its end")] = False,
) -> Output[Any]:
    """Submit a study: the coordinator proposes it to the sites, and runs it once enough have approved.

    Example: shadowgraph study submit survival.yaml --home /srv/center --wait
    """
    from server.actions import studies
    from server.cli.words import studies as words

    one = studies.submit(home, study, sites=site or (), patience_seconds=patience)
    return watch(one.run, home) if wait else Output(one, words.submitted)


@app.command("list")
def list_(home: Home = Path(".")) -> Output[Any]:
    """List the submitted studies, the newest first.

    Example: shadowgraph study list --home /srv/center
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return Output(studies.listed(home), words.studies)


@app.command()
def watch(study: Reference, home: Home = Path(".")) -> Output[Any]:
    """Watch a study until it ends: who approved, which round is asked, who is waited for.

    Example: shadowgraph study watch survival --home /srv/center
    """
    from server.actions import runs
    from server.cli.words import studies as words

    words.say(runs.watch(home, study))
    return words.watched(runs.ended(home, study))


@app.command()
def show(study: Reference, home: Home = Path(".")) -> Output[Any]:
    """Show how a study stands: its sites, its rounds, and the results as plain data.

    Example: shadowgraph study show survival --home /srv/center --json
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return Output(studies.shown(home, study), words.study)


@app.command()
def report(
    study: Reference,
    home: Home = Path("."),
    out: Annotated[Path, typer.Option(help="the folder to write into")] = Path("report"),
) -> Output[Any]:
    """Write a study's report: one HTML file with plots, and every number as JSON and CSV.

    Example: shadowgraph study report survival --home /srv/center --out survival-report
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return Output(studies.report(home, study, out), words.report)


@app.command()
def verify(study: Reference, home: Home = Path(".")) -> Output[Any]:
    """Recompute a study's result from the rounds that were kept, and compare. No site is asked.

    Example: shadowgraph study verify survival --home /srv/center
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return Output(studies.verify(home, study), words.verified)


@app.command()
def begin(
    study: Reference,
    home: Home = Path("."),
    by: Annotated[str, typer.Option(help="who decides it, if not your Unix user")] = "",
) -> Output[Any]:
    """Wait for no further approval: the study begins with the sites that have approved, if they are enough.

    Example: shadowgraph study begin survival --home /srv/center
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return Output(studies.begin(home, study, by=by), words.submitted)


@app.command()
def withdraw(
    study: Reference,
    home: Home = Path("."),
    by: Annotated[str, typer.Option(help="who stops it, if not your Unix user")] = "",
) -> Output[Any]:
    """Stop a study, also one that runs: no further question is sent, and it ends as withdrawn.

    Example: shadowgraph study withdraw survival --home /srv/center
    """
    from server.actions import studies
    from server.cli.words import studies as words

    return Output(studies.withdraw(home, study, by=by), words.withdrawn)
