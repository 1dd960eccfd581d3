"""Completion of the command line in a shell: its script, laid where the shell finds it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from protocols.core.errors import Code, InputError

VARIABLE, COMMAND = "_SHADOWGRAPH_COMPLETE", "shadowgraph"


class Shell(StrEnum):
    """The shells that are served."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@dataclass(frozen=True)
class InstalledCompletion:
    """Where the script lies, and what is still to be added to the shell's settings; "" for nothing."""

    shell: Shell
    path: Path
    to_add: str
    schema_version: int = 1


def install(script: Callable[[str], str], shell: Shell | None = None) -> InstalledCompletion:
    """The completion of a shell, installed for this user; a second time writes the same file.

    Args:
        script: makes the script of a shell.
        shell: the one that SHELL names, where None.

    Raises:
        InputError: SHELL names none that is served.
    """
    chosen = shell or _own_shell()
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    functions = data / "zsh" / "site-functions"
    path = {
        Shell.BASH: data / "bash-completion" / "completions" / COMMAND,
        Shell.ZSH: functions / f"_{COMMAND}",
        Shell.FISH: config / "fish" / "completions" / f"{COMMAND}.fish",
    }[chosen]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script(chosen))
    to_add = f"fpath=({functions} $fpath); autoload -Uz compinit && compinit" if chosen is Shell.ZSH else ""
    return InstalledCompletion(chosen, path, to_add)


def _own_shell() -> Shell:
    name = Path(os.environ.get("SHELL", "")).name
    try:
        return Shell(name)
    except ValueError:
        known = ", ".join(Shell)
        raise InputError(
            Code.INVALID_INPUT, "this shell has no completion here", f"name one that has: {known}"
        ) from None
