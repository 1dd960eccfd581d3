"""`shadowgraph schema`: what a program may expect of a command's JSON."""

from typing import Annotated, Any

import typer

from protocols.runtime.output import Output

app = typer.Typer(add_completion=False)


@app.command()
def schema(
    command: Annotated[
        list[str] | None, typer.Argument(help="a command's words; `error` for failures")
    ] = None,
) -> Output[Any]:
    """Print the JSON schema of what a command prints with --json; of all commands, if none is named.

    Example: shadowgraph schema site status
    """
    from server.actions import contract
    from server.cli.words.contract import schemas

    return Output(contract.schemas(" ".join(command or ())), schemas)
