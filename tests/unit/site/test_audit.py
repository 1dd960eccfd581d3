"""The audit is a keyed chain; a cut or an altered line is found, and the site can go on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from protocols.core.errors import Code, InputError, StudyError
from protocols.core.protocol import ask
from protocols.runtime import audit_chain
from site_node.actions import audit as actions
from site_node.governance import audit, audit_check, audit_heads
from tests.lib.agents import Agents
from tests.lib.attacked_site import AttackedSite
from tests.lib.studies import a_study, a_table

FIRST = replace(ask("counts"), analysis="ages")
SCALE = {"variable": "age", "low": 0, "high": 128, "resolution": 0.125}
SPEC = {"protocol": "quantiles", "of": [SCALE], "shares": [0.5]}


def rewrite(home: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Puts other lines into the audit."""
    path = home / audit.FILE
    path.write_text("".join(line + "\n" for line in change(path.read_text().splitlines())))


def as_earlier_release(home: Path, *events: str) -> None:
    """The audit as a release without keys wrote it."""
    before, lines = audit.FIRST, []
    for event in events:
        line = {"at": "2026-11-01T08:00:00+00:00", "event": event, "after": before}
        before = audit_chain._hash(line)
        lines.append(json.dumps(line | {"hash": before}, sort_keys=True) + "\n")
    (home / audit.FILE).write_text("".join(lines))


def code_of(home: Path) -> Code:
    with pytest.raises(StudyError) as caught:
        audit_check.verify(home)
    return caught.value.code


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text('schema_version = 1\nname = "a"\n')
    for number in range(4):
        audit.record(tmp_path, "loaded", number=number)
    return tmp_path


CHANGES: dict[str, Callable[[list[str]], list[str]]] = {
    "altered": lambda lines: [lines[0].replace('"number": 0', '"number": 9'), *lines[1:]],
    "taken out": lambda lines: [lines[0], *lines[2:]],
    "another order": lambda lines: [lines[1], lines[0], *lines[2:]],
    "no JSON": lambda lines: [lines[0], "{", *lines[2:]],
    "no object": lambda lines: [*lines, "[]"],
    "without its mac": lambda lines: [*lines, '{"at": "", "event": "answered", "after": ""}'],
    "emptied": lambda lines: [],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_changed_chain_is_found(home: Path, change: Callable[[list[str]], list[str]]) -> None:
    assert audit_check.verify(home) == 4
    rewrite(home, change)
    assert code_of(home) == Code.AUDIT_DAMAGED


def test_a_chain_without_the_key_is_not_taken_for_one_of_an_earlier_release(home: Path) -> None:
    as_earlier_release(home, "site-made", "answered")
    assert code_of(home) == Code.AUDIT_DAMAGED
    with pytest.raises(StudyError):
        audit.record(home, "loaded")


def test_lines_of_an_earlier_release_are_bound_by_the_first_keyed_line(tmp_path: Path) -> None:
    as_earlier_release(tmp_path, "site-made", "joined")
    assert audit_check.verify(tmp_path) == 2
    audit.record(tmp_path, "loaded")
    assert [line["event"] for line in audit.lines(tmp_path)] == ["site-made", "joined", audit.KEYED, "loaded"]
    assert audit_check.verify(tmp_path) == 4
    rewrite(tmp_path, lambda lines: [lines[0], *lines[2:]])
    assert code_of(tmp_path) == Code.AUDIT_DAMAGED


def test_a_lost_key_is_not_replaced_by_another_in_silence(home: Path) -> None:
    (home / "keys" / audit.KEY).unlink()
    with pytest.raises(StudyError, match=r"audit\.key"):
        audit.record(home, "loaded")
    audit_check.mend(home)
    assert audit_check.verify(home) == 1


def test_a_site_with_a_damaged_audit_answers_with_a_code_and_goes_on_when_it_is_mended(
    tmp_path: Path,
) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    rewrite(tmp_path, lambda lines: [*lines[:-1], lines[-1].replace("test", "somebody")])
    before = (tmp_path / audit.FILE).read_bytes()
    assert site.ask(study, FIRST) == Code.AUDIT_DAMAGED
    assert site.propose(a_study(title="Another"))["code"] == Code.AUDIT_DAMAGED
    mended = audit_check.mend(tmp_path)
    assert mended.dropped == 1
    assert mended.copy is not None
    assert mended.copy.read_bytes() == before
    assert not isinstance(site.ask(study, FIRST), Code)
    lines = list(audit.lines(tmp_path))
    assert [line["event"] for line in lines][-3:] == [audit_check.MENDED, "run-opened", "answered"]
    assert audit_check.verify(tmp_path) == len(lines)
    with pytest.raises(InputError, match="nothing to mend"):
        audit_check.mend(tmp_path)


def test_an_answer_that_is_in_no_line_is_found(tmp_path: Path) -> None:
    site, study = AttackedSite(tmp_path), a_study()
    site.approve(study)
    site.ask(study, FIRST)
    rewrite(tmp_path, lambda lines: lines[:-1])  # the end is cut, and no later answer told it
    with pytest.raises(StudyError, match="answers that left: 1"):
        audit_check.verify(tmp_path)
    assert audit_check.mend(tmp_path).lost == 1
    audit_check.verify(tmp_path)


def agents(folder: Path) -> Agents:
    study = a_study(analyses=[{"name": "ages", "spec": SPEC}])
    return Agents(folder, study, {site: a_table(site=site) for site in "abc"})


def test_each_site_keeps_the_heads_of_the_others_and_they_are_in_their_audits(tmp_path: Path) -> None:
    run = agents(tmp_path)
    run.run()
    for site, home in run.homes.items():
        kept = audit_heads.kept(home)
        assert kept.keys() == set("abc") - {site}
        for other, heads in kept.items():
            assert set(heads) <= {line.head for line in audit.whole_lines(run.homes[other])}
        audit_check.verify(home)


def test_a_site_whose_folder_is_an_old_copy_sees_it_by_the_heads_that_others_keep(tmp_path: Path) -> None:
    run = agents(tmp_path)
    home = run.homes["b"]
    names = [audit.FILE, "register.sqlite", "register.sqlite-wal"]
    old = {name: (home / name).read_bytes() for name in names if (home / name).exists()}
    run.run(run="r1")
    for name in names:
        (home / name).unlink(missing_ok=True)
    for name, content in old.items():
        (home / name).write_bytes(content)
    run.restart()
    run.run(run="r2")
    noticed = {line["kept_by"] for line in audit.lines(home) if line["event"] == "head-unknown"}
    assert noticed == {"a", "c"}
    assert code_of(home) == Code.AUDIT_DAMAGED
    assert audit_check.mend(home).lost > 0
    audit_check.verify(home)


def test_heads_are_handed_over_in_a_file(tmp_path: Path) -> None:
    run = agents(tmp_path)
    run.run()
    file = tmp_path / "b.heads.json"
    assert actions.heads(run.homes["a"], "b", file).file == file
    assert actions.verify(run.homes["b"], file).heads > 0
    with pytest.raises(InputError, match="site b"):
        actions.verify(run.homes["c"], file)
    with pytest.raises(InputError, match="no head of site 'z'"):
        actions.heads(run.homes["a"], "z")
