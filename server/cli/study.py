"""`shadowgraph study`: a signed question to the consortium, from its file to its report."""

from pathlib import Path
from typing import Annotated, Any

import typer

Home = Annotated[Path, typer.Option("--home", envvar="SHADOWGRAPH_HUB", help="the center's folder")]
File = Annotated[Path, typer.Argument(help="a study file, YAML or JSON")]
Reference = Annotated[str, typer.Argument(help="a study's name, or the beginning of its hash or run")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Signed questions to the consortium.")


@app.command()
def new(
    out: Annotated[Path, typer.Argument(help="where to write it")] = Path("study.yaml"),
) -> dict[str, Any]:
    """Write a study file to start from, with every part explained.

    Example: shadowgraph study new survival.yaml
    """
    from server.actions.studies import write_example

    write_example(out)
    return {"study": str(out), "next": f"edit it, then: shadowgraph study validate {out}"}


@app.command()
def validate(study: File) -> dict[str, Any]:
    """Check a study file and show, in words, what would leave each site. Nothing is sent.

    Example: shadowgraph study validate survival.yaml
    """
    from protocols.core.study import read_study

    read = read_study(study)
    return {
        "name": read.name,
        "title": read.title,
        "hash": read.hash(),
        "variables": len(read.variables),
        "sites at least": read.min_sites,
        "what would leave": read.describe(),
    }


@app.command()
def sign(
    study: File,
    home: Home = Path("."),
    out: Annotated[Path | None, typer.Option(help="where to write it; NAME.signed if left out")] = None,
) -> dict[str, Any]:
    """Sign a study with the coordinator's key, to be kept or shown; `submit` signs by itself.

    Example: shadowgraph study sign survival.yaml --home /srv/center
    """
    from protocols.core.study import read_study
    from server.actions.studies import sign

    read = read_study(study)
    path = out or Path(f"{read.name}.signed")
    path.write_bytes(sign(home, read))
    return {"study": read.name, "hash": read.hash(), "signed": str(path)}


@app.command()
def submit(
    study: Annotated[Path, typer.Argument(help="a study file, or one that `study sign` wrote")],
    home: Home = Path("."),
    site: Annotated[list[str] | None, typer.Option(help="ask this site only; may be repeated")] = None,
    patience: Annotated[
        float | None, typer.Option(help="seconds to wait for approvals; hub.toml's days if left out")
    ] = None,
    wait: Annotated[bool, typer.Option(help="watch it to its end")] = False,
) -> dict[str, Any]:
    """Submit a study: the coordinator proposes it to the sites, and runs it once enough have approved.

    Example: shadowgraph study submit survival.yaml --home /srv/center --wait
    """
    from server.actions.studies import read_any, submit

    submitted = submit(home, read_any(home, study), sites=site or (), patience_seconds=patience)
    if wait:
        return watch(submitted.run, home)
    return {
        "study": submitted.name,
        "run": submitted.run,
        "state": str(submitted.state),
        "next": f"shadowgraph study watch {submitted.name}",
    }


@app.command("list")
def list_(home: Home = Path(".")) -> list[dict[str, Any]]:
    """List the submitted studies, the newest first.

    Example: shadowgraph study list --home /srv/center
    """
    from server.actions.runs import listed

    return listed(home)


@app.command()
def watch(study: Reference, home: Home = Path(".")) -> dict[str, Any]:
    """Watch a study until it ends: who approved, which round is asked, who is waited for.

    Example: shadowgraph study watch survival --home /srv/center
    """
    from server.actions.runs import shown, watch

    return shown(home, watch(home, study))


@app.command()
def show(study: Reference, home: Home = Path(".")) -> dict[str, Any]:
    """Show how a study stands: its sites, its rounds, and the results as plain data.

    Example: shadowgraph study show survival --home /srv/center --json
    """
    from server.actions.runs import shown
    from server.home.store import Store

    return shown(home, Store(home).submission(study), with_results=True)


@app.command()
def report(
    study: Reference,
    home: Home = Path("."),
    out: Annotated[Path, typer.Option(help="the folder to write into")] = Path("report"),
) -> dict[str, Any]:
    """Write a study's report: one HTML file with plots, and every number as JSON and CSV.

    Example: shadowgraph study report survival --home /srv/center --out survival-report
    """
    from server.actions.studies import report

    return {"report": str(report(home, study, out))}


@app.command()
def verify(study: Reference, home: Home = Path(".")) -> dict[str, Any]:
    """Recompute a study's result from the rounds that were kept, and compare. No site is asked.

    Example: shadowgraph study verify survival --home /srv/center
    """
    from server.actions.studies import recompute

    read, outcome = recompute(home, study)
    return {
        "study": read.name,
        "run": outcome.run,
        "rounds": outcome.rounds,
        "analyses": len(outcome.results),
        "verified": "signature, rounds and results fit each other",
    }


@app.command()
def withdraw(study: Reference, home: Home = Path(".")) -> dict[str, Any]:
    """Stop a study, also one that runs: no further question is sent, and it ends as withdrawn.

    Example: shadowgraph study withdraw survival --home /srv/center
    """
    from server.home.store import Store

    store = Store(home)
    found = store.submission(study)
    store.withdraw(found.run)
    return {"study": found.name, "run": found.run, "state": str(store.submission(found.run).state)}
