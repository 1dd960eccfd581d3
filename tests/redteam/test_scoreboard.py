"""The attacks of the scoreboard, as tests: each works on a weakened site (slow) and fails on the defaults."""

from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError
from server.cli import redteam as command
from tests.redteam import scoreboard
from tests.redteam.attack import Attack, Figure
from tests.redteam.kinds import KINDS
from tests.redteam.scoreboard import Line, attacks, lines, tried

ATTACKS = attacks()
SECURITY = Path(__file__).parents[2] / "docs" / "security.md"


def each(*, defended: bool) -> list[object]:
    """The attacks as parameters; those not defended yet are marked where `defended`."""
    found = []
    for attack in ATTACKS:
        marks = [pytest.mark.skipif(not attack.can_be_tried(), reason=f"needs {attack.needs}")]
        marks += [pytest.mark.slow] if attack.slow else []
        if defended and attack.undefended:
            marks.append(pytest.mark.xfail(reason=attack.undefended, raises=AssertionError, strict=True))
        found.append(pytest.param(attack, id=f"{attack.id}-{attack.name}", marks=marks))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("attack", each(defended=False))
def test_it_works_on_a_weakened_site(attack: Attack, tmp_path: Path) -> None:
    figure = attack.on_weakened(tmp_path)
    print(figure)
    assert figure.got >= attack.works_from, figure


@pytest.mark.parametrize("attack", each(defended=True))
def test_it_fails_on_the_defaults(attack: Attack, tmp_path: Path) -> None:
    figure = attack.on_defaults(tmp_path)
    print(figure)
    assert figure.got <= attack.holds_to, figure


def test_attacks_are_of_known_kinds_and_have_names_of_their_own() -> None:
    assert {attack.id for attack in ATTACKS} <= KINDS.keys()
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.works_from > attack.holds_to for attack in ATTACKS)


def a_line(got: float, undefended: str = "") -> Line:
    def attempt(folder: Path, weakened: bool) -> Figure:
        return Figure(9 if weakened else got, "of 9 rows")

    return tried(Attack("RT01", "rows", "reads rows", attempt, 9, 0, undefended=undefended))


def test_a_line_is_as_wanted_if_the_attack_works_on_the_one_and_fails_on_the_other() -> None:
    assert a_line(0).wanted
    assert not a_line(1).wanted
    assert a_line(1, "nobody counts them").defaults == "NOT DEFENDED: 1 of 9 rows"


def test_an_attack_that_breaks_is_not_taken_for_one_that_fails() -> None:
    def attempt(folder: Path, weakened: bool) -> Figure:
        raise KeyError("rows")

    line = tried(Attack("RT01", "rows", "reads rows", attempt, 9, 0))
    assert not line.wanted
    assert line.defaults == "broken: KeyError: 'rows'"


def test_a_kind_without_an_attack_is_on_the_board_and_not_as_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoreboard, "attacks", lambda: [])
    assert [(line.id, line.wanted) for line in lines()] == [(kind, False) for kind in KINDS]


def test_the_command_says_where_the_attacks_are_if_they_are_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "CHECKOUT", tmp_path)
    with pytest.raises(InputError) as caught:
        command.redteam()
    assert caught.value.code == Code.NOT_FOUND
    assert "source checkout" in caught.value.fix


@pytest.mark.slow
def test_the_command_tries_an_attack(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.redteam(["other_spellings"]) == 0
    assert "0 of 4 are read" in capfd.readouterr().out


def test_the_docs_have_every_attack_on_their_board() -> None:
    table = SECURITY.read_text().partition("<!-- redteam: start -->")[2].partition("<!-- redteam: end -->")[0]
    rows = [row.split(" | ")[:2] for row in table.splitlines() if row.startswith("| RT")]
    assert sorted(rows) == sorted([f"| {attack.id}", attack.title] for attack in ATTACKS)
    assert {attack.id for attack in ATTACKS} == KINDS.keys()
