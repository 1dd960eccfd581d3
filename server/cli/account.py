"""`shadowgraph network account`: whoever may use the center's API and pages."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.accounts.roles import Role
from protocols.runtime.output import Output
from server.cli.options import Home

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Whoever may use the center from afar.")


@app.command()
def invite(
    name: Annotated[str, typer.Argument(help="the account's name: an address, or a short name")],
    role: Annotated[list[Role], typer.Option(help="analyst, coordinator, auditor or admin; again for more")],
    home: Home = Path("."),
) -> Output[Any]:
    """Invite a person to an account, or to open theirs anew after a lost password or telephone.

    Example: shadowgraph network account invite nora@example.org --role analyst
    """
    from server.actions import people
    from server.cli.words import people as words

    return Output(people.invite(home, name, role), words.invitation)


@app.command("list")
def accounts(home: Home = Path(".")) -> Output[Any]:
    """List the accounts.

    Example: shadowgraph network account list --home /srv/center
    """
    from server.actions import people
    from server.cli.words import people as words

    return Output(people.accounts(home), words.accounts)


@app.command()
def roles(
    name: Annotated[str, typer.Argument(help="the account's name")],
    role: Annotated[list[Role], typer.Option(help="analyst, coordinator, auditor or admin; again for more")],
    home: Home = Path("."),
) -> Output[Any]:
    """Give an account other roles: its sessions and tokens end at once.

    Example: shadowgraph network account roles nora@example.org --role auditor
    """
    from server.actions import people
    from server.cli.words import people as words

    return Output(people.give_roles(home, name, role), words.account)


@app.command()
def disable(
    name: Annotated[str, typer.Argument(help="the account's name")], home: Home = Path(".")
) -> Output[Any]:
    """End an account: its sessions and tokens end at once.

    Example: shadowgraph network account disable nora@example.org
    """
    from server.actions import people
    from server.cli.words import people as words

    return Output(people.disable(home, name), words.account)
