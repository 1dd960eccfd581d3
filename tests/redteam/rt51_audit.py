"""RT51: who can write the audit cuts its end, takes a line out, or makes the whole chain again."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from protocols.core.errors import StudyError
from protocols.exchange.envelope import SIGNATURE_BYTES
from protocols.exchange.wire import RoundAnswer
from protocols.runtime import audit_chain
from site_node.governance import audit, audit_check, audit_heads
from tests.lib.agents import Agents
from tests.lib.lying_coordinator import weaken
from tests.lib.studies import a_study, a_table
from tests.redteam.attack import Figure, attack

SCALE = {"variable": "age", "low": 0, "high": 128, "resolution": 0.125}
SPEC = {"protocol": "quantiles", "of": [SCALE], "shares": [0.5]}

Lines = list[dict[str, Any]]
Chained = Callable[[Mapping[str, Any]], dict[str, Any]]


def _cut(lines: Lines, chained: Chained) -> Lines:
    """The chain without its last answers; the very last one no later answer told anybody."""
    answered = [number for number, line in enumerate(lines) if line["event"] == "answered"]
    return lines[: answered[-2]]


def _one_less(lines: Lines, chained: Chained) -> Lines:
    """The chain without its second line, made again from there."""
    return _again([lines[0], *lines[2:]], chained)


def _other_words(lines: Lines, chained: Chained) -> Lines:
    return _again([lines[0] | {"name": "another"}, *lines[1:]], chained)


def _again(lines: Lines, chained: Chained) -> Lines:
    made: Lines = []
    for line in lines:
        bare = {name: value for name, value in line.items() if name not in ("hash", "mac", "after")}
        before = next(iter(made[-1:]), {})
        after = before.get("mac") or before.get("hash") or audit.FIRST
        made.append(chained(bare | {"after": after}))
    return made


def _hashed(line: Mapping[str, Any]) -> dict[str, Any]:
    """What anybody can make who knows no key."""
    return dict(line) | {"hash": hashlib.sha256(json.dumps(line, sort_keys=True).encode()).hexdigest()}


def _unfound(folder: Path, with_key: bool, find: Callable[[Path, set[str]], object]) -> Figure:
    """How many of the three changes nobody finds."""
    unfound, changes = 0, (_cut, _one_less, _other_words)
    for change in changes:
        home, kept = _answered(folder / change.__name__)
        key = (home / "keys" / audit.KEY).read_bytes()

        def keyed(line: Mapping[str, Any], key: bytes = key) -> dict[str, Any]:
            return dict(line) | {"mac": audit_chain._mac(key, line)}

        lines = change(list(audit.lines(home)), keyed if with_key else _hashed)
        (home / audit.FILE).write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))
        try:
            find(home, kept)
            unfound += 1
        except StudyError:
            pass
    return Figure(unfound, f"of {len(changes)} changes not found")


def _answered(folder: Path) -> tuple[Path, set[str]]:
    """The folder of a site that answered a study of several rounds, and what others keep of its audit."""
    study = a_study(analyses=[{"name": "ages", "spec": SPEC}])
    agents = Agents(folder, study, {site: a_table(site=site) for site in "abc"})
    agents.run()
    at_the_center = RoundAnswer.decode(agents.replies["a"][SIGNATURE_BYTES:]).audit["a"]
    return agents.homes["a"], {at_the_center, *audit_heads.kept(agents.homes["b"])["a"]}


@attack("RT51", "who can write a site's audit, without its key, changes it", works_from=3)
def audit_without_key(folder: Path, weakened: bool) -> Figure:
    def hashes_alone(home: Path, _: set[str]) -> None:
        """As it was verified before lines bore a key."""
        before = audit.FIRST
        for line in audit.lines(home):
            name = "hash" if "hash" in line else "mac"
            if line["after"] != before:
                raise StudyError(audit.damaged(1).code, "broken")
            before = str(line[name])

    return _unfound(folder, False, hashes_alone if weakened else lambda home, _: audit_check.verify(home))


@attack("RT51", "who has a site's audit key and register makes the chain again", works_from=3)
def audit_with_key(folder: Path, weakened: bool) -> Figure:
    def find(home: Path, kept: set[str]) -> None:
        audit_check.verify(home, () if weakened else kept)

    nothing: Callable[..., set[str]] = lambda *_: set()  # noqa: E731
    with (
        weaken(audit_heads, "own", nothing, True),
        weaken(audit_check, "_left", nothing, True),
    ):  # the register is in the same hands
        return _unfound(folder, True, find)
