"""`shadowgraph inbox`: studies that ask this site to take part, and the site's decisions."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.output import Output


def _site(home: Path) -> Path:
    """The folder itself. Raises InputError where there is no site in it."""
    from site_node.home.config import load

    load(home)
    return home


Home = Annotated[
    Path, typer.Option("--home", envvar="SHADOWGRAPH_HOME", help="the site's folder", callback=_site)
]
Reference = Annotated[str, typer.Argument(help="a study's name, or the beginning of its hash")]
By = Annotated[str, typer.Option(help="who decides; your Unix user is kept beside the name")]
Note = Annotated[str, typer.Option(help="a reason, kept in the site's record")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Studies that ask this site to take part.")


@app.command("list")
def list_(
    home: Home = Path("."),
    all_: Annotated[
        bool, typer.Option("--all", help="also those that passed under standing approvals")
    ] = False,
) -> Output[Any]:
    """List the studies that were proposed, with their state and the rounds that were answered here.

    Example: shadowgraph inbox list --home /srv/shadowgraph
    """
    from site_node.actions import inbox
    from site_node.cli.words import inbox as words

    return Output(inbox.listed(home, passed=all_), words.listed)


@app.command()
def show(study: Reference, home: Home = Path(".")) -> Output[Any]:
    """Show a study in words: whom it counts, which variables it reads, what would leave.

    Example: shadowgraph inbox show lgg-survival
    """
    from site_node.actions import inbox
    from site_node.cli.words import inbox as words

    return Output(inbox.shown(home, study), words.study)


@app.command()
def simulate(study: Reference, home: Home = Path(".")) -> Output[Any]:
    """Run a study on this site's data alone, to see how many people it finds. Nothing leaves.

    Example: shadowgraph inbox simulate lgg-survival
    """
    from site_node.actions import inbox
    from site_node.cli.words import inbox as words

    return Output(inbox.simulate(home, study), words.simulation)


@app.command()
def approve(
    study: Reference,
    home: Home = Path("."),
    days: Annotated[int, typer.Option(min=1, max=366, help="how long the approval holds")] = 90,
    runs: Annotated[int, typer.Option(min=1, max=20, help="how often the study may be run")] = 3,
    by: By = "",
    note: Note = "",
) -> Output[Any]:
    """Approve one study, exactly as it stands, and seal who is in it: no later load adds anybody.

    Example: shadowgraph inbox approve lgg-survival --days 30
    """
    from site_node.actions import inbox
    from site_node.cli.words import inbox as words

    approved = inbox.approve(home, study, days=days, runs=runs, by=by, note=note)
    return Output(approved, words.decision)


@app.command()
def refuse(study: Reference, home: Home = Path("."), by: By = "", note: Note = "") -> Output[Any]:
    """Refuse a study, or an answer that is held (H1). The coordinator learns that it was refused, not why.

    Example: shadowgraph inbox refuse lgg-survival --note "no ethics vote yet"
    """
    from site_node.actions import held, inbox
    from site_node.cli.words import held as held_words
    from site_node.cli.words import inbox as words
    from site_node.governance.holds import ID

    if ID.fullmatch(study):
        return Output(held.refuse(home, study, by=by, note=note), held_words.decision)
    return Output(inbox.refuse(home, study, by=by, note=note), words.decision)


@app.command("held")
def held_(
    answer: Annotated[str, typer.Argument(help="one answer, such as H1; else all that wait")] = "",
    home: Home = Path("."),
) -> Output[Any]:
    """List the answers that wait for people; of one, show in words and numbers what would leave.

    Example: shadowgraph inbox held H1
    """
    from site_node.actions import held
    from site_node.cli.words import held as words

    if answer:
        return Output(held.shown(home, answer), words.answer)
    return Output(held.listed(home), words.listed)


@app.command()
def release(
    answer: Annotated[str, typer.Argument(help="a held answer, such as H1")],
    home: Home = Path("."),
    by: By = "",
    note: Note = "",
) -> Output[Any]:
    """Let a held answer go, byte for byte as it was sealed; the policy says how many people it takes.

    Example: shadowgraph inbox release H1 --by "Dr. Hansen"
    """
    from site_node.actions import held
    from site_node.cli.words import held as words

    return Output(held.release(home, answer, by=by, note=note), words.decision)


@app.command()
def revoke(study: Reference, home: Home = Path("."), by: By = "", note: Note = "") -> Output[Any]:
    """Withdraw an approval: from now on no question of the study is answered.

    Example: shadowgraph inbox revoke lgg-survival
    """
    from site_node.actions import inbox
    from site_node.cli.words import inbox as words

    return Output(inbox.revoke(home, study, by=by, note=note), words.decision)


@app.command()
def standing(
    protocol: Annotated[str, typer.Argument(help="the one protocol that may pass without a look")] = "",
    home: Home = Path("."),
    studies: Annotated[int, typer.Option(min=1, help="how many studies")] = 100,
    variables: Annotated[int, typer.Option(min=1, help="how many variables a study may have")] = 20,
    days: Annotated[int, typer.Option(min=1, max=366, help="how long it holds")] = 90,
    epsilon: Annotated[
        float, typer.Option(min=0, help="differential privacy that a study must ask for, at most; 0: none")
    ] = 0.0,
    by: By = "",
    revoke: Annotated[bool, typer.Option("--revoke", help="withdraw that protocol's standing approval")] = (
        False
    ),
) -> Output[Any]:
    """Show the standing approvals, or give one: studies of that protocol alone pass within its limits.

    Example: shadowgraph inbox standing summary --studies 50 --days 30
    """
    from site_node.actions import inbox
    from site_node.cli.words import inbox as words

    if revoke:
        inbox.withdraw_standing(home, protocol, by=by)
    elif protocol:
        inbox.approve_standing(
            home, protocol, studies=studies, variables=variables, days=days, epsilon=epsilon or None, by=by
        )
    return Output(inbox.standing(home), words.standing)
