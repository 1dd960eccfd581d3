"""`python -m tests.redteam`: tries every attack and prints the scoreboard; 1 if a line is not as wanted."""

import argparse
import sys

from tests.redteam.kinds import KINDS
from tests.redteam.scoreboard import Line, lines, markdown


def main() -> int:
    """The exit code: 0 if every line is as wanted."""
    parser = argparse.ArgumentParser(prog="python -m tests.redteam", description=__doc__)
    parser.add_argument("which", nargs="*", help="kinds or attacks by name, RT01 or cox_intervals; else all")
    parser.add_argument("--markdown", action="store_true", help="print the table of docs/security.md")
    given = parser.parse_args()
    board: list[Line] = []
    for line in lines(tuple(given.which)):
        board.append(line)
        if not given.markdown:
            mark = "ok " if line.wanted else "BAD"
            print(f"{mark} {line.id} {line.title}\n      weakened: {line.weakened}")
            print(f"      defaults: {line.defaults}  ({line.seconds:.1f} s)", flush=True)
    print(markdown(board) if given.markdown else "")
    bad = [line for line in board if not line.wanted]
    kinds = {line.id for line in board} - {line.id for line in bad}
    print(
        f"{len(board) - len(bad)} of {len(board)} lines as wanted; "
        f"{len(kinds)} of {len({line.id for line in board})} kinds ({len(KINDS)} in all)",
        file=sys.stderr,
    )
    return 1 if bad or not board else 0


if __name__ == "__main__":
    sys.exit(main())
