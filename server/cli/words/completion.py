"""What a shell and people read of completion."""

import click.shell_completion

from protocols.core.errors import Code, InputError
from server.actions.completion import COMMAND, VARIABLE, InstalledCompletion


def script(shell: str) -> str:
    """The script by which a shell asks the command for what may come next.

    Raises:
        InputError: the shell is not served.
    """
    made = click.shell_completion.get_completion_class(shell)
    if made is None:
        raise InputError(Code.INVALID_INPUT, f"no completion for {shell}")
    complete = made(click.Group(COMMAND), {}, COMMAND, VARIABLE)
    return str(complete.source_template % complete.source_vars())


def installed(done: InstalledCompletion) -> dict[str, str]:
    """Where it lies, and what is left to do."""
    return {
        "shell": done.shell,
        "file": str(done.path),
        "next": f"add to ~/.zshrc: {done.to_add}" if done.to_add else "open a new shell",
    }
