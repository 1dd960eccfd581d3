"""`shadowgraph inbox`: studies that ask this site to take part, and the site's decisions."""

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer


def _site(home: Path) -> Path:
    """The folder itself. Raises InputError where there is no site in it."""
    from site_node.home.config import load

    load(home)
    return home


Home = Annotated[
    Path, typer.Option("--home", envvar="SHADOWGRAPH_HOME", help="the site's folder", callback=_site)
]
Reference = Annotated[str, typer.Argument(help="a study's name, or the beginning of its hash")]
Note = Annotated[str, typer.Option(help="a reason, kept in the site's record")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Studies that ask this site to take part.")


@app.command("list")
def list_(home: Home = Path(".")) -> list[dict[str, Any]]:
    """List the studies that were proposed, with their state.

    Example: shadowgraph inbox list --home /srv/shadowgraph
    """
    from site_node.governance import approvals

    return approvals.inbox(home)


@app.command()
def show(study: Reference, home: Home = Path(".")) -> dict[str, Any]:
    """Show a study in words: whom it counts, which variables it reads, what would leave.

    Example: shadowgraph inbox show lgg-survival
    """
    from site_node.governance import approvals
    from site_node.governance.policy import read_policy
    from site_node.study_table import sealing

    found = approvals.find(home, study)
    return approvals.shown(home, found) | {
        "sealed cohort": sealing.shown(home, found),
        "this site's policy": read_policy(home).faults(found) or "admits it",
    }


@app.command()
def simulate(study: Reference, home: Home = Path(".")) -> dict[str, Any]:
    """Run a study on this site's data alone, to see how many people it finds. Nothing leaves.

    Example: shadowgraph inbox simulate lgg-survival
    """
    from site_node.agent.simulation import simulate

    return simulate(home, study)


@app.command()
def approve(
    study: Reference,
    home: Home = Path("."),
    days: Annotated[int, typer.Option(min=1, max=366, help="how long the approval holds")] = 90,
    runs: Annotated[int, typer.Option(min=1, max=20, help="how often the study may be run")] = 3,
    by: Annotated[str, typer.Option(help="who decides")] = "",
    note: Note = "",
) -> dict[str, Any]:
    """Approve one study, exactly as it stands, and seal who is in it: no later load adds anybody.

    Example: shadowgraph inbox approve lgg-survival --days 30
    """
    from site_node.governance import approvals
    from site_node.governance.policy import read_policy
    from site_node.study_table import sealing

    found = approvals.find(home, study)
    read_policy(home).admit(found)
    sealed = sealing.seal(home, found)
    who = by or getpass.getuser()
    approvals.decide(home, found, approvals.State.APPROVED, by=who, days=days, max_runs=runs, note=note)
    return {
        "study": found.name,
        "state": "approved",
        "days": days,
        "hash": found.hash(),
        "people": len(sealed),
        "sealed cohort": sealed.digest,
    }


@app.command()
def refuse(study: Reference, home: Home = Path("."), note: Note = "") -> dict[str, Any]:
    """Refuse a study. The coordinator learns that it was refused, not why.

    Example: shadowgraph inbox refuse lgg-survival --note "no ethics vote yet"
    """
    return _decide(home, study, "refused", note)


@app.command()
def revoke(study: Reference, home: Home = Path("."), note: Note = "") -> dict[str, Any]:
    """Take an approval back: from now on no question of the study is answered.

    Example: shadowgraph inbox revoke lgg-survival
    """
    return _decide(home, study, "revoked", note)


def _decide(home: Path, reference: str, decision: str, note: str) -> dict[str, Any]:
    from site_node.governance import approvals

    found = approvals.find(home, reference)
    state = approvals.State(decision)
    approvals.decide(home, found, state, by=getpass.getuser(), note=note)
    return {"study": found.name, "state": decision, "hash": found.hash()}


@app.command()
def standing(
    protocol: Annotated[str, typer.Argument(help="the one protocol that may pass without a look")] = "",
    home: Home = Path("."),
    studies: Annotated[int, typer.Option(min=1, help="how many studies")] = 100,
    variables: Annotated[int, typer.Option(min=1, help="how many variables a study may have")] = 20,
    days: Annotated[int, typer.Option(min=1, max=366, help="how long it holds")] = 90,
    revoke: Annotated[bool, typer.Option("--revoke", help="take that protocol's standing approval back")] = (
        False
    ),
) -> list[dict[str, Any]]:
    """Show the standing approvals, or give one: studies of that protocol alone pass within its limits.

    Example: shadowgraph inbox standing summary --studies 50 --days 30
    """
    from protocols.core.protocol import protocol as known
    from site_node.governance import approvals

    if revoke:
        approvals.withdraw_standing(home, protocol)
    elif protocol:
        known(protocol)
        approvals.approve_standing(
            home,
            protocol,
            by=getpass.getuser(),
            max_studies=studies,
            max_variables=variables,
            days=days,
        )
    return approvals.standing(home)
