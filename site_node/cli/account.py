"""`shadowgraph site account`: whoever may use the site's pages."""

from pathlib import Path
from typing import Annotated, Any

import typer

from protocols.runtime.accounts.roles import Role
from protocols.runtime.output import Output
from site_node.cli.home import Home

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Whoever may use the site's pages.")
Roles = Annotated[list[Role], typer.Option("--role", help="reader, steward, approver, clinician or admin")]
Name = Annotated[str, typer.Argument(help="the account's name: an address, or a short name")]


@app.command()
def invite(name: Name, role: Roles, home: Home = Path(".")) -> Output[Any]:
    """Invite a person to an account, or to open theirs anew after a lost password or telephone.

    Example: shadowgraph site account invite ingrid --role approver --role steward
    """
    from site_node.actions import people
    from site_node.cli.words import people as words

    return Output(people.invite(home, name, role), words.invitation)


@app.command("list")
def accounts(home: Home = Path(".")) -> Output[Any]:
    """List the accounts.

    Example: shadowgraph site account list --home /srv/shadowgraph
    """
    from site_node.actions import people
    from site_node.cli.words import people as words

    return Output(people.accounts(home), words.accounts)


@app.command()
def roles(name: Name, role: Roles, home: Home = Path(".")) -> Output[Any]:
    """Give an account other roles; its sessions and tokens end.

    Example: shadowgraph site account roles ingrid --role approver
    """
    from site_node.actions import people
    from site_node.cli.words import people as words

    return Output(people.give_roles(home, name, role), words.account)


@app.command()
def disable(name: Name, home: Home = Path(".")) -> Output[Any]:
    """End an account: its sessions and tokens end at once.

    Example: shadowgraph site account disable ingrid
    """
    from site_node.actions import people
    from site_node.cli.words import people as words

    return Output(people.disable(home, name), words.account)
