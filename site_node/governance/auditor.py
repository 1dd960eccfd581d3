"""The memory of who was behind every number that left, and what no combination of them may tell.

For each variable it keeps the sets of people over which numbers about it left: complete cases of analyses,
folds, groups, across studies and runs, under whatever title. A question is let through if no combination of
its sets with earlier ones of the same variable stands on fewer than `min_count` people here
(`governance.set_space`), and if no two rosters over the same people differ by one or two sites, whose part
would be the difference of the sums. What other sites have is not known here: theirs may cancel.

A variable is what is read (a measurement's concept, a gene), whatever a study calls it and from which days.
The same sets are kept once more with people's values in them, where a corrected value is another person.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from sqlite3 import Connection

import numpy as np

from protocols.core.disclosure import Thresholds
from protocols.core.table import Integers
from protocols.exchange.envelope import digest
from site_node.governance.first_values import FirstValues
from site_node.governance.set_space import SetSpace
from site_node.home.register import now, register

FEWEST_SITES_APART = 3
VALUES = "values of "
"""Before a variable's name: its sets are of people with their values (`first_values`)."""
MOST_SPACES = 16
"""Spaces that stay in memory; another one is made again from the sets that are kept."""


@dataclass(frozen=True)
class Behind:
    """Who is behind the numbers about some variables: (k,) people, by what is read of each variable.

    `values`: of variables, (k,) digests of these people's values.
    """

    people: Integers
    variables: frozenset[str]
    values: Mapping[str, Integers] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """The name of the set."""
        return digest(np.sort(self.people).astype("<i8").tobytes())


@dataclass
class Auditor:
    """The auditor of the site in `home`."""

    home: Path
    _spaces: dict[tuple[str, ...], SetSpace] = field(default_factory=dict)

    def admit(self, behind: Iterable[Behind], roster: tuple[str, ...], floors: Thresholds) -> bool:
        """Whether numbers on these sets may leave, in a sum over a roster or in the clear; if so, noted.

        Judging and noting are one transaction. A set of fewer than `min_count_in_sum` people adds nothing to
        a sum and is not one; in the clear, where the roster is empty, the gate withholds it.
        """
        sets = [b for b in behind if len(b.people) >= floors.min_count_in_sum and b.variables]
        with register(self.home) as db:
            first = {v: FirstValues.of(db, v) for b in sets for v in b.values}
            asked, sets = sets, [part for b in sets for part in _by_values(b, first)]
            history = _history(db, {v for b in sets for v in b.variables})
            grown: dict[tuple[str, ...], SetSpace] = {}
            for group, names in _groups(history, sets):
                spaces = self._judged(db, group, [b for b in sets if names <= b.variables], floors)
                if spaces is None:
                    return False
                grown |= spaces
            if any(_nearly_the_same_sites(db, b, roster) for b in sets):
                return False
            for b in sets:
                _note(db, b, roster)
            _keep_values(db, asked, first)
        for known, space in grown.items():
            self._keep(known, space)
        return True

    def _judged(
        self, db: Connection, known: tuple[str, ...], sets: list[Behind], floors: Thresholds
    ) -> dict[tuple[str, ...], SetSpace] | None:
        """The space of the sets `known` and these, by the sets in it; None if a combination is of few."""
        space = self._space(db, known, floors)
        for b in sets:
            if b.sha256 in known:
                continue
            grown = space.with_set(b.people, floors.min_count, floors.min_count_in_sum)
            if grown is None:
                return None
            space, known = grown, (*known, b.sha256)
        return {known: space}

    def _space(self, db: Connection, known: tuple[str, ...], floors: Thresholds) -> SetSpace:
        if known in self._spaces:
            return self._spaces[known]
        space = SetSpace()
        for sha256 in known:
            row = db.execute("SELECT people FROM audited_set WHERE sha256 = ?", (sha256,)).fetchone()
            people = np.frombuffer(row["people"], dtype="<i8").astype(np.int64)
            space = space.with_set(people, 0, 0) or space  # what left has left, whatever the floor is now
        self._keep(known, space)
        return space

    def _keep(self, known: tuple[str, ...], space: SetSpace) -> None:
        self._spaces.pop(known, None)
        self._spaces[known] = space
        while len(self._spaces) > MOST_SPACES:
            self._spaces.pop(next(iter(self._spaces)))


def _by_values(behind: Behind, first: Mapping[str, FirstValues]) -> Iterator[Behind]:
    """The set of the people, and of each variable the set of them with their values.

    The latter is the same set where nobody's value has changed, so that both are judged as one.
    """
    same = set(behind.variables)
    for variable, digests in behind.values.items():
        people = first[variable].others(behind.people, digests)
        if people is behind.people:
            same.add(VALUES + variable)
        else:
            yield Behind(people, frozenset({VALUES + variable}))
    yield Behind(behind.people, frozenset(same))


def _keep_values(db: Connection, sets: Iterable[Behind], first: Mapping[str, FirstValues]) -> None:
    grown = dict(first)
    for b in sets:
        for variable, digests in b.values.items():
            grown[variable] = grown[variable].with_people(b.people, digests)
    for variable, known in grown.items():
        if known is not first[variable]:
            known.keep(db, variable)


def variable_key(definition: Mapping[str, object]) -> str:
    """What a variable reads, as a name: its definition without the days, the choice among several, the unit.

    >>> variable_key({"kind": "age"}) == variable_key({"kind": "age", "window": {"from_days": 0}})
    True
    """
    read = {
        k: v for k, v in definition.items() if k not in {"window", "pick", "unit", "comparator", "changing"}
    }
    return hashlib.sha256(json.dumps(read, sort_keys=True, default=str).encode()).hexdigest()[:32]


def _history(db: Connection, variables: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Variable -> the sets over which numbers about it left, in their order."""
    return {
        variable: tuple(
            row["sha256"]
            for row in db.execute(
                "SELECT sha256, min(rowid) AS first FROM audited_release WHERE variable = ?"
                " GROUP BY sha256 ORDER BY first",
                (variable,),
            )
        )
        for variable in variables
    }


def _groups(
    history: Mapping[str, tuple[str, ...]], sets: list[Behind]
) -> list[tuple[tuple[str, ...], frozenset[str]]]:
    """The variables of one history and of the same new sets, once each: they are judged alike."""
    found: dict[tuple[tuple[str, ...], tuple[bool, ...]], set[str]] = {}
    for variable, known in history.items():
        found.setdefault((known, tuple(variable in b.variables for b in sets)), set()).add(variable)
    return [(known, frozenset(names)) for (known, _), names in found.items()]


def _nearly_the_same_sites(db: Connection, behind: Behind, roster: tuple[str, ...]) -> bool:
    """Whether numbers about a variable left over the same people here, and one or two sites more or less."""
    if not roster:
        return False
    rows = db.execute(
        "SELECT DISTINCT variable, roster FROM audited_release WHERE sha256 = ? AND roster <> '[]'",
        (behind.sha256,),
    )
    return any(
        0 < len(set(roster) ^ set(json.loads(row["roster"]))) < FEWEST_SITES_APART
        for row in rows
        if row["variable"] in behind.variables
    )


def keep_set(db: Connection, people: Integers) -> str:
    """Keeps a set of (k,) people, and gives its name."""
    data, at = np.sort(people).astype("<i8").tobytes(), now().isoformat()
    db.execute("INSERT OR IGNORE INTO audited_set VALUES (?, ?, ?)", (digest(data), data, at))
    return digest(data)


def _note(db: Connection, behind: Behind, roster: tuple[str, ...]) -> None:
    keep_set(db, behind.people)
    for variable in sorted(behind.variables):
        db.execute(
            "INSERT OR IGNORE INTO audited_release (variable, sha256, roster) VALUES (?, ?, ?)",
            (variable, behind.sha256, json.dumps(sorted(roster))),
        )
