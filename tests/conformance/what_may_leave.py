"""The closed list of what may leave a site, from declarations: `python -m tests.conformance.what_may_leave`.

Writes tests/golden/what_may_leave.txt, which an ethics board can read, and the table in docs/protocols.md.
The suite compares both with the declarations, so that nothing leaves which neither of them says.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from protocols import CATALOGUE
from protocols.core.disclosure import Band, Count, Declaration, Flag, Statistic, Update
from protocols.core.protocol import SiteStep, protocol
from tests.conformance.examples import EXAMPLES
from tests.lib.watched import example_study

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "what_may_leave.txt"
DOCS = ROOT / "docs" / "protocols.md"
START, END = "<!-- what may leave: start -->", "<!-- what may leave: end -->"


def closed_list() -> str:
    """What leaves for each example of each protocol: by name, and in the words that people read."""
    return "\n".join(line for name in sorted(EXAMPLES) for line in [*_of_protocol(name), ""])


def _of_protocol(name: str) -> Iterator[str]:
    found = protocol(name)
    yield f"{name} {found.version}"
    for step_name, step in found.steps.items():
        yield f"  {step_name} ({_ways(step)})"
        for array, declared in step.declares.items():
            yield f"    {array}[{', '.join(declared.axes)}]: {_kind(declared)}, {declared.what}"
    for analysis in example_study(name).analyses:
        given = ", ".join(f"{key}: {value}" for key, value in _given(name, analysis.name).items())
        yield f"  for {given}"
        yield from (f"    {line}" for line in found.describe(analysis.spec))


def _given(name: str, analysis: str) -> dict[str, object]:
    position = [a.name for a in example_study(name).analyses].index(analysis)
    return dict(EXAMPLES[name].specs[position])


def _kind(declared: Declaration) -> str:
    if isinstance(declared, Band | Flag):
        return "a band" if isinstance(declared, Band) else "a flag"
    behind = declared.stands_on()
    if isinstance(declared, Count):
        return f"part of the count {behind}" if behind else "a count"
    kind = (
        "an update"
        if isinstance(declared, Update)
        else "no sum"
        if isinstance(declared, Statistic)
        else "a sum"
    )
    return f"{kind} on the people of {behind}"


def _ways(step: SiteStep) -> str:
    ways = ["in a sum over sites"] if step.summed else []
    ways += {"always": ["in the clear"], "asked": ["in the clear where the study says so"]}.get(
        step.clear_rule, []
    )
    return "; ".join(ways)


def table() -> str:
    """The rows of the table in docs/protocols.md: each step of each protocol, and what leaves by it."""
    rows = ["| protocol | step | way | what leaves |", "|---|---|---|---|"]
    for name in sorted(CATALOGUE):
        for step_name, step in protocol(name).steps.items():
            arrays = "; ".join(_by_axes(declared) for declared in step.declares.values())
            rows.append(f"| {name} | {step_name} | {_ways(step)} | {arrays} |")
    return "\n".join(rows)


def _by_axes(declared: Declaration) -> str:
    names = " x ".join(axis.replace("_", " ") for axis in declared.axes)
    return f"{declared.what}, by {names}" if names else declared.what


def with_table(text: str) -> str:
    """The text of docs/protocols.md with the table of today's declarations."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table()}\n{END}{after}"


def main() -> None:
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(closed_list())
    DOCS.write_text(with_table(DOCS.read_text()))
    sys.stdout.write(f"{GOLDEN.relative_to(ROOT)} and {DOCS.relative_to(ROOT)} say what the steps declare\n")


if __name__ == "__main__":
    main()
