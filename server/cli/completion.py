"""`shadowgraph completion`: let the shell complete commands and options."""

from typing import Annotated, Any

import typer

from protocols.runtime.output import Output
from server.actions.completion import Shell

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Completion in the shell.")
Which = Annotated[Shell | None, typer.Argument(help="the one that SHELL names, if left out")]


@app.command()
def install(shell: Which = None) -> Output[Any]:
    """Install completion for this user: one file, where the shell looks for it.

    Example: shadowgraph completion install bash
    """
    from server.actions import completion
    from server.cli.words import completion as words

    return Output(completion.install(words.script, shell), words.installed)


@app.command()
def show(shell: Annotated[Shell, typer.Argument(help="bash, zsh or fish")]) -> None:
    """Print the script of a shell.

    Example: shadowgraph completion show zsh
    """
    from server.cli.words.completion import script

    typer.echo(script(shell))
