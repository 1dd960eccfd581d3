"""The `shadowgraph` command: finds the module of a verb, runs it, and prints what it returns.

The table of verbs is the entry-point group `shadowgraph.commands`, so the site's commands and the center's
stand in one command line without importing each other, and only the verb that was asked for is loaded.
"""

import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Any

import click
import typer
from typer.core import TyperGroup

from protocols.core.errors import Code, ExitCode, ShadowgraphError, StudyError, UnreachableError
from protocols.runtime.output import Output, plain

NAME, GROUP = "shadowgraph", "shadowgraph.commands"
TRACEBACK = "SHADOWGRAPH_TRACEBACK"
ORDER = (
    *("demo", "doctor", "upgrade", "site", "data", "features", "radiomics", "inbox", "policy", "audit"),
    *("network", "query", "study", "schema", "completion"),
)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d[0-9:.+Z-]*$")


class Commands(click.Group):
    """The verbs, each loaded when it is used."""

    def __init__(self, *, helps: bool = True) -> None:
        """The verbs; `helps` where a group without a verb shows its help, else it is an error."""
        self._helps = helps
        super().__init__(
            "shadowgraph",
            help="Federated radiogenomics over the OMOP common data model. Add --json for machine output.",
            no_args_is_help=helps,
            context_settings={"help_option_names": ["-h", "--help"]},  # verbs inherit it
            params=[click.Option(["--version"], is_flag=True, help="Show the version and exit.")],
        )
        self._verbs = {entry.name: entry for entry in importlib.metadata.entry_points(group=GROUP)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order in which one meets them."""
        return sorted(self._verbs, key=lambda name: (ORDER.index(name) if name in ORDER else 99, name))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The Typer app of a verb, loaded now."""
        entry = self._verbs.get(cmd_name)
        return self._as_wished(typer.main.get_command(entry.load())) if entry else None

    def _as_wished(self, command: click.Command) -> click.Command:
        """The command without Typer's guess at a mistyped verb, since Click makes the same one."""
        if isinstance(command, TyperGroup):
            command.suggest_commands, command.no_args_is_help = False, self._helps
            for one in command.commands.values():
                self._as_wished(one)
        return command


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command and leaves with its exit code: result on stdout, words for people on stderr."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    sys.exit(run([word for word in words if word != "--json"], as_json))


def run(words: list[str], as_json: bool) -> int:
    """The exit code of one command line."""
    if words == ["--version"]:
        return _told(_versions() if as_json else {"version": importlib.metadata.version(NAME)}, as_json)
    try:
        value = Commands(helps=not as_json).main(words, "shadowgraph", standalone_mode=False)
    except ShadowgraphError as error:
        _report(error, as_json)
        return error.exit_code
    except click.ClickException as error:
        if as_json:
            print(json.dumps({"error": "usage", "text": error.format_message(), "fix": "shadowgraph --help"}))
        else:
            error.show(sys.stderr)
        return ExitCode.USAGE
    except (click.exceptions.Abort, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
        return ExitCode.FAILED
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except BrokenPipeError:
        return ExitCode.FAILED
    except Exception as unexpected:
        if os.environ.get(TRACEBACK):
            raise
        said = _in_words(unexpected)
        _report(said, as_json)
        return said.exit_code
    return _told(value, as_json)


def _versions() -> dict[str, object]:
    """The release, and the numbers of what it exchanges and keeps (docs/contract.md)."""
    from protocols.core import study
    from protocols.exchange import wire
    from server.coordination import record

    return {
        "version": importlib.metadata.version(NAME),
        "wire": wire.SCHEMA_VERSION,
        "study": study.SCHEMA_VERSION,
        "result": record.SCHEMA_VERSION,
    }


def _told(value: object, as_json: bool) -> int:
    """Prints what a command returned, for whoever still reads; its exit code."""
    try:
        code = _tell(value, as_json)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def _tell(value: object, as_json: bool) -> int:
    """Prints what a command returned; its exit code."""
    if isinstance(value, int) and not isinstance(value, bool):  # --help, or a command's own exit code
        return value
    if isinstance(value, Output):
        _print(plain(value.value) if as_json else value.words(value.value), as_json)
        return value.exit_code
    _print(value, as_json)
    return ExitCode.PARTIAL if isinstance(value, dict) and value.get("partial") else ExitCode.DONE


def _in_words(error: Exception) -> ShadowgraphError:
    """An unexpected error, without the text of the exception, which may quote a row."""
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if isinstance(error.filename, str) else ""
        return StudyError(Code.SITE_FAILED, f"operating system error: {error.strerror}{where}")
    if isinstance(error, ModuleNotFoundError) and error.name:
        return StudyError(
            Code.MISSING_EXTRA,
            f"this installation is an analyst's and has no {error.name.partition('.')[0]}",
            "a hospital's node: pip install 'shadowgraph[site]'; a center: pip install 'shadowgraph[center]'",
        )
    name, module = type(error).__name__, type(error).__module__
    if name == "OperationalError" and module.partition(".")[0] in ("sqlalchemy", "sqlite3"):
        return UnreachableError(
            Code.SOURCE_UNREACHABLE,
            "the database does not answer, or is busy or full",
            "look at `database` in site.toml, at the server behind it, and at the disk",
        )
    return StudyError(
        Code.SITE_FAILED,
        f"unexpected error: {name}",
        f"{TRACEBACK}=1 shows where; what it prints may quote rows, so do not pass it on unread",
    )


def _report(error: ShadowgraphError, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": str(error.code), "text": error.text, "fix": error.fix}))
    else:
        print(f"error: {error}", file=sys.stderr)


def _print(value: Any, as_json: bool) -> None:
    if value is None:
        return
    if as_json:
        print(json.dumps(value, indent=1, default=str))
        return
    from rich.console import Console

    console = Console()
    for piece in _rendered(value, console.width):
        console.print(piece)


def _rendered(value: Any, width: int) -> list[Any]:
    """A command's value as rich tables and lines."""
    from rich.table import Table

    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        return _table(value, width)
    if isinstance(value, dict):
        flat = Table.grid(padding=(0, 2))
        flat.add_column()
        flat.add_column(overflow="fold")  # a hash is compared to its end
        pieces: list[Any] = [flat]
        for name, cell in value.items():
            if isinstance(cell, list) and cell and isinstance(cell[0], dict):
                pieces += [f"\n[bold]{name}[/bold]", *_rendered(cell, width)]
            else:
                flat.add_row(f"[bold]{name}[/bold]", _cell(cell))
        return pieces
    if isinstance(value, list):
        return [_cell(item) for item in value] or ["(nothing)"]
    return [_cell(value)]


def _table(rows: list[dict[str, Any]], width: int) -> list[Any]:
    """Rows as a table of whole words; where it is too wide, without columns that say nothing."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    columns = {name: [name.replace("_", " "), *(_cell(row.get(name)) for row in rows)] for name in rows[0]}
    longest = {
        name: max(len(word) for cell in cells for word in [*cell.split(), ""])
        for name, cells in columns.items()
    }
    silent: list[str] = []
    if _width(longest) > width:
        silent = [name for name in longest if not any(row.get(name) for row in rows)]
    shown = {name: size for name, size in longest.items() if name not in silent}
    while _width(shown) > width:  # then the widest are broken, and no others
        widest = max(shown, key=lambda name: shown[name])
        shown[widest] -= 1
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, size in shown.items():
        table.add_column(columns[name][0], overflow="fold", min_width=size)
    for i in range(1, len(rows) + 1):
        table.add_row(*(columns[name][i] for name in shown))
    left_out = ", ".join(columns[name][0] for name in silent)
    return [table, f"[dim]none: {left_out}[/dim]"] if silent else [table]


def _width(columns: dict[str, int]) -> int:
    """Of a table with columns of these widths: a blank at each of its edges and two between columns."""
    return sum(columns.values()) + 2 * len(columns) + 1


def _cell(value: Any) -> str:
    """A value as lines of text; what a study's author wrote cannot steer the terminal."""
    from rich.markup import escape

    if isinstance(value, dict):
        return "\n".join(f"{_cell(k)}: {escape(_words(v))}" for k, v in value.items())
    if isinstance(value, list):
        return "\n".join(escape(_words(item)) for item in value)
    return escape(_words(value))


def _words(value: Any) -> str:
    """A value in one line: a time to the minute, a mapping as its names and values."""
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_words(v)}" for k, v in value.items() if v is not None)
    if isinstance(value, list):
        return "; ".join(_words(item) for item in value)
    text = "" if value is None else _CONTROL.sub("", str(value))
    return text[:16].replace("T", " ") if _TIME.match(text) else text
